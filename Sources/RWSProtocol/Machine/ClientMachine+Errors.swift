/// What becomes of requests that the server refuses.
extension ClientMachine {
  func received(
    error fields: ScannedEvent, _ text: UnsafeRawBufferPointer, _ connection: Connection,
    _ now: Instant
  ) {
    let error = ResponsesError(APIErrorFields(fields, in: text), fallback: .api, body: text)
    if error.status == .connectionLimit {
      return retire(connection, because: error, fields, text, now)
    }
    guard let lane = lane(of: fields, text, connection) else { return }
    switch connection[lane].use {
    // Without a request in flight it is about nothing that anybody waits for.
    case .idle: break
    case .awaitingSuccessor(let turn):
      for steer in turn.steers where steer.state.isAwaited { settle(steer, .returned(error)) }
      stopAwaiting(turn, now)
    case .quarantined(let quarantine): drained(connection, lane, quarantine, now)
    case .running(let turn):
      if resend(turn, after: error, now) { return }
      append(fields, text, to: turn, now)
      fail(turn, fields, .api, text, now)
    }
  }

  /// Nothing was generated for a request that was refused before it started: the same turn goes out
  /// again, in the form that the refusal calls for, and the caller sees a notice instead of an error.
  func resend(_ turn: ActiveTurn, after error: ResponsesError, _ now: Instant) -> Bool {
    guard !turn.hasStarted, !turn.hasOutput, !turn.request.settings.hasConversation,
      mayResend(turn, error.code), let seat = turn.seat
    else { return false }
    let session = turn.session
    if error.isAboutAnchor, turn.stats.isDelta, holds(.notFoundIsResent) {
      session.chain.dropAnchor(.notFound)
    } else if seat.lane > 0, session.route.lanes != .supported, error.isAboutLanes,
      holds(.refusedNameIsResent)
    {
      session.route.lanes = .unsupported
    } else {
      return false
    }
    vacate(turn, seat)
    rewind(turn, reason: error.code)
    if seat.lane > 0, session.route.lanes == .unsupported { leave(session, now) }
    settle(seat.connection, session, now)
    return true
  }

  /// The connection has reached its age limit: what has begun may end, everything else moves.
  func retire(
    _ connection: Connection, because error: ResponsesError, _ fields: ScannedEvent,
    _ text: UnsafeRawBufferPointer, _ now: Instant
  ) {
    guard connection.state == .open else { return }
    connection.state = .retiring
    var sessions: [SessionState] = []
    for turn in connection.runningTurns
    where !turn.hasStarted && !turn.hasOutput || !holds(.begunRunsOn) {
      guard let seat = turn.seat else { continue }
      vacate(turn, seat)
      if mayResend(turn, error.code), holds(.ageLimitIsResent) {
        rewind(turn, reason: error.code)
      } else {
        append(fields, text, to: turn, now)
        end(turn, .failed, error.with(.rejected), now)
      }
      sessions.append(turn.session)
    }
    for session in connection.seatedSessions
    where session.active?.seat == nil && session.awaited == nil {
      connection.dismiss(session, now: now)
    }
    watchIdle(connection, now)
    closeIfRetired(connection, now)
    advance(sessions, connection.route, now)
  }

  func received(
    invalid text: UnsafeRawBufferPointer, _ reason: String, _ connection: Connection, _ now: Instant
  ) {
    guard holds(.notAnEventCloses) else { return }
    var error = ResponsesError(
      .invalidEvent,
      "The server sent a message that is no event (\(reason)). The connection was closed; "
        + "check that the base URL points to a Responses API.")
    error.body = Array(text.prefix(ResponsesError.bodyBytesMax))
    actions.append(.close(connection))
    lose(connection, now) { error.with($0.execution) }
  }
}
