/// HTTP in the place of WebSocket.
///
/// Over HTTP a connection carries one response: it has one lane, retires when the response has ended, and a cancel ends
/// it. There is no cache to continue: what is not stored goes whole each time.
extension ClientMachine {
  /// What the session's turn must go over; nil: what there is.
  func requiredTransport(_ session: SessionState) -> Transport? {
    guard let turn = session.active else { return nil }
    if turn.isTooLargeForWebSocket { return .http }
    // Also where the turn has no choice of its own: the one before may have left a seat over its own.
    return holds(.transportIsKept) ? transports.required(turn.request.transport) : nil
  }

  func mayFallBack(_ session: SessionState) -> Bool {
    transports.isAutomatic(session.active?.request.transport) && holds(.blockedFallsBack)
  }

  /// WebSocket cannot be had: who may goes over HTTP from now on, until a probe finds that it can.
  func fallBack(from connection: Connection, _ sessions: [SessionState], _ now: Instant) {
    // That counts though nobody waits for the connection any more.
    let isAnybodys = transports.isAutomatic(nil) && holds(.blockedFallsBack)
    guard connection.transport == .webSocket,
      connection.isProbe || isAnybodys || sessions.contains(where: mayFallBack)
    else { return }
    transports.block()
    guard transports.probe == .none || connection.isProbe, holds(.blockedIsProbed) else { return }
    let due = now.advanced(byNanoseconds: limits.probeNanoseconds)
    transports.probe = .due(due)
    alarms.add(.probe(connection.routeID), at: due)
  }

  /// The turn that waited for a WebSocket goes over HTTP.
  func noteFallback(of turn: ActiveTurn, _ error: ResponsesError) {
    turn.fallbackError = error
    counters.fallbackCount += 1
    turn.appendNotice("rws.transport") { writer in
      writer.member("transport", Transport.http.description)
      writer.member("reason", "\(error.status.name)")
    }
    deliver(turn)
  }

  /// Its request is larger than a message may be.
  func moveToHTTP(_ turn: ActiveTurn, _ now: Instant) {
    turn.isTooLargeForWebSocket = true
    releaseSource(of: turn, now)
    rewind(turn, Recovery.Resend(cause: .tooLarge, wait: 0), nil, .notSent, now)
    leave(turn.session, now)
    advance([turn.session], turn.session.route, now)
  }

  /// HTTP is not to be had there either: then that there was no WebSocket says more, and HTTP is no better.
  func insteadOfFallback(_ error: ResponsesError, of turn: ActiveTurn) -> ResponsesError? {
    guard let fallbackError = turn.fallbackError,
      [404, 405, 426, 501, fallbackError.httpStatus].contains(error.httpStatus), error.httpStatus > 0
    else { return nil }
    noteAvailable()
    return fallbackError
  }

  /// Tries in the background; turns go on over HTTP meanwhile.
  func probe(_ id: RouteID, _ now: Instant) {
    // Else WebSocket could be had meanwhile; there may be another probe by now.
    guard case .due(let due) = transports.probe, due <= now else { return }
    // Where all sessions are gone, the next one that opens tries at its first turn.
    guard let route = routes[id], route.sessionCount > 0 else { return noteAvailable() }
    transports.probe = .running
    dial(route, over: .webSocket, now).isProbe = true
  }

  func noteAvailable() {
    transports.probe = .none
    transports.unblock()
  }

  func dial(_ route: Route, over transport: Transport, _ now: Instant) -> Connection {
    let connection = Connection(ConnectionID(nextConnection), route, over: transport, now: now)
    nextConnection += 1
    route.add(connection)
    if route.asksForKey { askForKey(.connection(connection), on: route.id, now) } else { actions.append(.connect(connection)) }
    return connection
  }

  /// There is nothing to warm up: the input joins the history, and goes with the next turn.
  func keepWarmUp(_ turn: ActiveTurn, _ now: Instant) {
    turn.session.chain.commitUnsent(turn)
    turn.session.ledger.rebase(hasHistory: true)
    end(turn, .completed, nil, now)
  }
}
