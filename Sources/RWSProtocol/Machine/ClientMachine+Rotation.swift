/// Leaving connections before they are too old: the new one is open before the old one is left, and each session
/// moves between two turns, so that no turn pays for it.
///
///   open ──age──▶ aging ──its replacement opens──▶ sessions move as their turns end ──the last has left──▶ closed
///
/// A server that closes earlier is met by `Recovery`.
extension ClientMachine {
  /// Spread over a half of the margin: connections that were opened together are not left together.
  func watchAge(_ connection: Connection, _ now: Instant) {
    let dialect = connection.route.dialect
    let margin = dialect.rotationMarginNanoseconds
    let age = dialect.ageLimitNanoseconds - margin - recovery.random.next(upTo: margin / 2)
    rotate(connection, at: now.advanced(byNanoseconds: max(age, 0)))
  }

  private func rotate(_ connection: Connection, at due: Instant) {
    connection.rotationDue = due
    watchAge(connection.route, due)
  }

  private func watchAge(_ route: Route, _ due: Instant) {
    if let alarm = route.rotationAlarm, alarm <= due { return }
    route.rotationAlarm = due
    alarms.add(.rotation(route.id), at: due)
  }

  func rotate(_ route: Route, _ now: Instant) {
    route.rotationAlarm = nil
    for connection in route.connections {
      guard let due = connection.rotationDue, due <= now else { continue }
      connection.rotationDue = nil
      rotate(connection, now)
    }
    guard let next = route.connections.compactMap(\.rotationDue).min() else { return }
    watchAge(route, next)
  }

  private func rotate(_ connection: Connection, _ now: Instant) {
    guard connection.isConnected, connection.replacement == nil else { return }
    connection.state = .aging
    guard connection.tenants > 0 else { return closeIfLeft(connection, now) }
    // Others have taken its replacement: who is here stays until the end.
    while !connection.route.mayDial, let deserted = connection.route.deserted { abandon(deserted, now) }
    guard connection.route.mayDial else { return rotateLater(connection, now) }
    guard connection.route.rate.take(now) else {
      return rotate(connection, at: connection.route.rate.nextRefill)
    }
    connection.replacement = dial(connection.route, over: .webSocket, now)
  }

  /// Sessions between two turns move at once, the others when they are (`seat`).
  func moveTenants(to replacement: Connection, _ now: Instant) {
    for old in replacement.route.connections where old.replacement === replacement {
      // What their next turns waited for on the old connection is not on the new one.
      for session in old.seatedSessions where move(session, now) { pump(session, now) }
    }
  }

  /// Moves the session if it is between two turns, its connection ages, and there is another.
  func move(_ session: SessionState, _ now: Instant) -> Bool {
    guard let old = session.seat?.connection, old.state == .aging,
      let replacement = old.replacement,
      replacement.state == .open || replacement.state == .connecting && !holds(.replacementOpensFirst),
      session.active?.seat == nil, session.awaited == nil,
      // The server holds steering input for the next request on the lane.
      session.pendingSteers.isEmpty
    else { return false }
    guard replacement.vacantLane(session.route.lanes, probing: false) != nil else {
      // Others were faster.
      old.replacement = nil
      rotate(old, now)
      return false
    }
    old.dismiss(session, now: now)
    _ = session.route.place(session, on: replacement)
    session.hasMoved = true
    counters.rotationCount += 1
    closeIfLeft(old, now)
    prime(session, now)
    return true
  }

  /// The replacement could not be opened: another try, while there is time.
  func replacementFailed(_ replacement: Connection, _ now: Instant) {
    for old in replacement.route.connections where old.replacement === replacement {
      old.replacement = nil
      rotateLater(old, now)
    }
  }

  private func rotateLater(_ connection: Connection, _ now: Instant) {
    let pause = connection.route.dialect.rotationMarginNanoseconds / 8
    rotate(connection, at: now.advanced(byNanoseconds: max(pause, 1_000_000)))
  }

  func closeIfLeft(_ connection: Connection, _ now: Instant) {
    guard connection.state == .aging, connection.tenants == 0, connection.inFlight == 0 else { return }
    connection.wasLeft = true
    actions.append(.close(connection))
    let sessions = remove(connection)
    advance(sessions, connection.route, now)
  }
}
