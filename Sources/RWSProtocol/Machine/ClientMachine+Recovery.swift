/// How turns are sent again; whether they are is `Recovery`'s decision.
extension ClientMachine {
  /// Puts the turn back to its start; false: it is to end with the error. Its lane, if it had one, is the
  /// caller's matter.
  func resend(_ turn: ActiveTurn, after failure: Recovery.Failure, _ now: Instant) -> Bool {
    guard let resend = recovery.resend(turn, after: failure, now) else { return false }
    let (error, execution): (ResponsesError, Execution) =
      switch failure {
      case .connecting(let error): (error, .notSent)
      case .connection(let error): (error, turn.executionWithoutConnection)
      case .refused(let error): (error, .rejected)
      }
    rewind(turn, resend, error, execution, now)
    return true
  }

  /// Tells the turn's reader that its request goes out again, from the start.
  func rewind(
    _ turn: ActiveTurn, _ resend: Recovery.Resend, _ error: ResponsesError?, _ execution: Execution,
    _ now: Instant
  ) {
    var notice = Notice(
      kind: resend.cause == .replay ? .replayed : .resent, reason: resend.cause.rawValue)
    if resend.cause == .replay { counters.replayCount += 1 } else { counters.resendCount += 1 }
    notice.error = error
    notice.execution = execution
    notice.attempt = turn.stats.resendCount + 1
    notice.wait = resend.wait
    for steer in turn.steersAhead { settle(steer, .unknown(.steeringLost)) }
    turn.steersAhead = []
    // Those that were not sent go to the response that comes now.
    for steer in turn.steers where steer.state != .queued {
      settle(steer, .unknown(.steeringLost))
    }
    turn.steers.removeAll { $0.state.isSettled }
    let until = resend.wait > 0 ? now.advanced(byNanoseconds: resend.wait) : nil
    turn.rewind(resend.cause, execution, until: until)
    if let until { alarms.add(.resend(turn.request.id), at: until) }
    turn.appendNotice(notice)
    deliver(turn)
  }

  /// A request that the server refused; nothing was generated for it that anybody saw.
  func resend(_ turn: ActiveTurn, refusedWith error: ResponsesError, _ now: Instant) -> Bool {
    let hasLostAnchor = error.isAboutAnchor && turn.stats.isDelta
    guard let seat = turn.seat else { return false }
    if error.isAboutKey { noteRefusedKey(of: seat.connection) }
    guard resend(turn, after: .refused(error), now) else { return false }
    let session = turn.session
    // A refused continuation evicts what it referred to, a refused fork does not (protocol.md, The server's cache).
    if turn.forkedFrom == nil { seat.connection.evict(.failed, on: seat.lane) }
    vacate(turn, seat)
    releaseSource(of: turn, now)
    if hasLostAnchor {
      session.chain.dropAnchor(.notFound)
    }
    if error.isAboutLanes, session.route.lanes != .supported { session.route.lanes = .unsupported }
    if error.code == "websocket_stream_limit_reached" { seat.connection.isFull = true }
    if seat.connection.isFull || seat.lane > 0 && session.route.lanes == .unsupported {
      leave(session, now)
    }
    settle(seat.connection, session, now)
    return true
  }

  func release(_ id: TurnID, _ now: Instant) {
    guard let turn = turns[id], case .holding(let until) = turn.phase, until <= now else { return }
    turn.phase = .placing
    pump(turn.session, now)
  }
}
