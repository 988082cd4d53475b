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
      if resend(turn, refusedWith: error, now) { return }
      append(fields, text, to: turn, now)
      fail(turn, fields, .api, text, now)
    }
  }

  /// The connection has reached its age limit: what has begun may end, everything else moves.
  func retire(
    _ connection: Connection, because error: ResponsesError, _ fields: ScannedEvent,
    _ text: UnsafeRawBufferPointer, _ now: Instant
  ) {
    guard connection.isConnected else { return }
    connection.state = .retiring
    // First, for the end of a fork lets its source's session go on.
    var sessions = dismissIdle(of: connection, now)
    for turn in connection.runningTurns
    where !turn.isCreated && !turn.hasOutput || !holds(.begunRunsOn) {
      guard let seat = turn.seat else { continue }
      vacate(turn, seat)
      connection.dismiss(turn.session, now: now)
      sessions.append(turn.session)
      if !resend(turn, after: .refused(error), now) {
        append(fields, text, to: turn, now)
        end(turn, .failed, error.with(.rejected), now)
      }
    }
    sessions += connection.endWaiting()
    watchIdle(connection, now)
    closeIfRetired(connection, now)
    advance(sessions, connection.route, now)
  }

  /// Sends those away from a retiring connection of whom nothing runs there, and returns them: what their turns waited
  /// for there, they need not wait for elsewhere.
  func dismissIdle(of connection: Connection, _ now: Instant) -> [SessionState] {
    let idle = connection.seatedSessions.filter { $0.active?.seat == nil && $0.awaited == nil }
    for session in idle { connection.dismiss(session, now: now) }
    return idle
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
    lose(connection, error, now)
  }
}
