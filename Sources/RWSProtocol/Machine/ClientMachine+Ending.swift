/// How turns and connections end.
extension ClientMachine {
  func cancel(_ turn: ActiveTurn, _ error: ResponsesError, _ now: Instant) {
    let session = turn.session
    let connection = turn.seat?.connection
    abandon(turn, .cancelled, error, now)
    pump(session, now)
    if let connection { serve(connection, now) } else { serve(session.route, now) }
  }

  /// Ends a turn wherever it is; what runs on the server runs on in quarantine.
  func abandon(
    _ turn: ActiveTurn, _ outcome: Outcome, _ error: ResponsesError, _ now: Instant
  ) {
    let execution = turn.execution
    if let seat = turn.seat, seat.connection.transport == .http {
      actions.append(.close(seat.connection))
      _ = remove(seat.connection)
    } else if let seat = turn.seat {
      quarantine(seat, turn.quarantine(hasEnded: false))
      seat.connection.dismiss(turn.session, now: now)
      decidePause(seat.connection)
      watchIdle(seat.connection, now)
    }
    turn.session.queue.removeAll { $0 === turn }
    end(turn, outcome, error.with(execution), now)
  }

  func quarantine(_ seat: Seat, _ quarantine: Lane.Quarantine) {
    guard holds(.cancelQuarantines) else { return seat.connection.finish(seat.lane) }
    seat.connection.quarantine(seat.lane, quarantine)
  }

  /// The turn's request has left its lane; the session stays there.
  func vacate(_ turn: ActiveTurn, _ seat: Seat) {
    seat.connection.finish(seat.lane)
    turn.isUnread = false
    decidePause(seat.connection)
  }

  /// A lane became free: who waits comes first, then the session that had it.
  func settle(_ connection: Connection, _ session: SessionState?, _ now: Instant) {
    if let session { _ = move(session, now) }
    if connection.transport == .http, connection.state == .open {
      connection.state = .retiring
      connection.isAnswered = true
    }
    let dismissed = connection.state == .retiring ? dismissIdle(of: connection, now) : []
    closeIfRetired(connection, now)
    decidePause(connection)
    serve(connection, now)
    for other in dismissed { pump(other, now) }
    if let session { pump(session, now) }
    watchIdle(connection, now)
  }

  func end(
    _ turn: ActiveTurn, _ outcome: Outcome, _ error: ResponsesError?, _ now: Instant
  ) {
    deliver(turn)
    releaseSource(of: turn, now)
    if turn.session.awaited !== turn {
      loseSteers(of: turn, error ?? .steeringLost)
      for steer in turn.steersAhead { settle(steer, .unknown(.steeringLost)) }
    }
    if case .lookingUp = turn.phase { dropErrand(ErrandID(lookup: turn.request.id)) }
    turn.phase = .ended
    turns[turn.request.id] = nil
    if turn.session.active === turn { turn.session.active = nil }
    turn.session.lastUse = now
    bookUncommitted(turn)
    turn.stats.end = turn.elapsed(now)
    // An earlier sending may have run, however the last one fared.
    let error = error.map { $0.with(max($0.execution, turn.earlierExecution)) }
    actions.append(
      .end(turn.request.id, TurnEnd(outcome: outcome, error: error, stats: turn.stats)))
  }

  // MARK: Connections

  /// A connection's end: running turns are sent again or end with the error.
  func lose(_ connection: Connection, _ error: ResponsesError, _ now: Instant) {
    let turns = connection.runningTurns
    for turn in connection.awaitedTurns {
      turn.session.awaited = nil
      loseSteers(of: turn, .steeringLost)
    }
    let sessions = remove(connection)
    for turn in turns {
      releaseSource(of: turn, now)
      let seat = turn.seat
      if resend(turn, after: .connection(error), now) { continue }
      if let seat, lookUp(turn, seat, after: error, now) { continue }
      end(turn, .failed, error.underTurn(max(turn.executionWithoutConnection, turn.earlierExecution)), now)
    }
    advance(sessions, connection.route, now)
  }

  /// Takes the connection out of the pool; returns who sat or waited there.
  func remove(_ connection: Connection) -> [SessionState] {
    var sessions = connection.seatedSessions
    for turn in connection.runningTurns where turn.session.seat?.connection !== connection {
      sessions.append(turn.session)
    }
    for session in connection.endWaiting() where !sessions.contains(where: { $0 === session }) {
      sessions.append(session)
    }
    connection.route.remove(connection)
    connection.dissolve()
    endIfUnused(connection.route)
    return sessions
  }

  func dropConnections(of route: Route) {
    for connection in route.connections {
      actions.append(.close(connection))
      route.remove(connection)
      connection.dissolve()
    }
  }

  func endIfUnused(_ route: Route) {
    guard route.sessionCount == 0, route.connections.isEmpty, routes[route.id] === route else { return }
    routes[route.id] = nil
    endKeyDesk(of: route.id)
    actions.append(.routeEnded(route.id))
  }

  func closeIfRetired(_ connection: Connection, _ now: Instant) {
    guard connection.state == .retiring, connection.inFlight == 0, holds(.retiredIsClosed) else { return }
    actions.append(.close(connection))
    let sessions = remove(connection)
    advance(sessions, connection.route, now)
  }

  func watchIdle(_ connection: Connection, _ now: Instant) {
    closeIfLeft(connection, now)
    guard connection.isServing, connection.tenants == 0 else { return }
    alarms.add(.idle(connection.id, connection.routeID), at: now.advanced(byNanoseconds: limits.idleNanoseconds))
  }

  func closeIfIdle(_ connection: Connection, _ now: Instant) {
    guard connection.isServing, connection.tenants == 0, connection.isAbandoned,
      now.nanoseconds(since: connection.idleSince) >= limits.idleNanoseconds, holds(.idleIsClosed)
    else { return }
    actions.append(.close(connection))
    let sessions = remove(connection)
    advance(sessions, connection.route, now)
  }

  /// A full queue stops the reading only where it stops nobody else's events.
  func decidePause(_ connection: Connection) {
    let running = connection.runningTurns
    let isFull = running.contains { $0.isUnread }
    let isAlone = running.count == 1 && connection.inFlight == 1
    let isPaused = isFull && (isAlone || !holds(.neighboursAreNotPaused)) && holds(.fullQueuePauses)
    guard isPaused != connection.isPaused else { return }
    connection.isPaused = isPaused
    actions.append(.pause(connection, isPaused))
    if !isPaused { for turn in running { watch(turn) } }
  }
}
