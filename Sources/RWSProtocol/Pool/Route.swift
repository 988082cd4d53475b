/// The connections that one set of sessions may share, and who goes where:
///
/// 1. A session keeps the lane where its context is cached (its seat).
/// 2. One without a seat joins the connection that its anchor is on, or the fullest one that has fewer than 16
///    sessions, so that each may run at any time.
/// 3. Else a new connection is dialled, within the bounds on their number and rate.
/// 4. Else it joins one with more sessions; then it takes the lane of the session that has been idle the longest.
/// 5. Before that, a connection gives way on which nothing but cancelled responses run on.
/// 6. So does one on which nothing runs, if the session's turn wants a transport that there is no other place for.
/// 7. Else it waits, first come, first served.
final class Route {
  let id: RouteID
  let dialect: Dialect
  let limits: PoolLimits
  let tally: RuleTally?
  /// What is known by now.
  var lanes: Dialect.Lanes
  private(set) var connections: [Connection] = []
  var rate: TokenBucket
  /// The API key is asked for before each connection is made.
  var asksForKey = false
  /// Its connections do not outlive its last session.
  var endsWithSessions = false
  /// Some connection was opened once: the settings are right.
  var hasConnected = false
  /// Open ones.
  var sessionCount = 0
  /// An alarm rings when the rate allows one more.
  var isDialDue = false
  /// When the earliest alarm about a connection's age rings.
  var rotationAlarm: Instant?
  /// Sessions without a seat.
  var waiting: [SessionState] = []

  init(_ id: RouteID, _ dialect: Dialect, _ limits: PoolLimits, _ tally: RuleTally?, now: Instant) {
    self.id = id
    self.tally = tally
    self.dialect = dialect
    self.limits = limits
    lanes = dialect.lanes
    rate = TokenBucket(
      burst: limits.connectBurst, intervalNanoseconds: limits.connectIntervalNanoseconds, now: now)
  }

  func add(_ connection: Connection) { connections.append(connection) }

  func remove(_ connection: Connection) { connections.removeAll { $0 === connection } }

  /// Ends all ties.
  func dissolve() {
    for connection in connections { connection.dissolve() }
    connections = []
    waiting = []
  }

  /// Those that are being left do not count: who leaves needs another.
  var mayDial: Bool { counted < limits.connectionsMax || !holds(.connectionsLimit) }

  /// By a probe that found a WebSocket, or when one that was being left met the age limit and still has responses.
  var hasTooMany: Bool { counted > limits.connectionsMax }

  private var counted: Int { connections.count { $0.state != .aging } }

  /// Seats the session where there is room by rules 2; false: nowhere.
  func seat(_ session: SessionState, over transport: Transport?) -> Bool {
    func isFit(_ connection: Connection) -> Bool { transport == nil || connection.transport == transport }
    if let anchor = session.chain.anchor, let connection = anchor.connection,
      connection.state == .open, isFit(connection), place(session, on: connection)
    {
      return true
    }
    var best: Connection?
    for connection in connections where connection.tenants < PoolLimits.inFlightMax {
      guard connection.state == .open || connection.state == .connecting && !connection.isProbe
      else { continue }
      guard isFit(connection) else { continue }
      if let best, best.tenants >= connection.tenants { continue }
      // What counts for the server are the responses in flight, those of cancelled turns included.
      guard connection.inFlight < PoolLimits.inFlightMax, hasRoom(connection) else { continue }
      best = connection
    }
    return best.map { place(session, on: $0) } ?? false
  }

  /// By rule 5. One that is being left does not count: nothing would be won.
  var deserted: Connection? {
    connections.first {
      $0.isServing && $0.state != .aging && $0.inFlight > 0 && $0.isAbandoned && holdsNobody($0)
        && holds(.desertedGivesWay)
    }
  }

  /// By rule 6.
  func unused(dialling transport: Transport) -> Connection? {
    connections.first {
      // Over HTTP each response has a connection of its own.
      ($0.transport != transport || transport == .http) && $0.isServing && $0.state != .aging && $0.isAbandoned
        && $0.seatedSessions.allSatisfy(\.isIdle) && holds(.unusedGivesWay)
    }
  }

  /// Sessions between two turns lose their cache with it; that is less than that nobody can send any more.
  private func holdsNobody(_ connection: Connection) -> Bool {
    connection.tenants == 0 || !connection.isUsable && connection.seatedSessions.allSatisfy(\.isIdle)
  }

  /// Seats the session by rule 4.
  func squeezeIn(_ session: SessionState, over transport: Transport?) -> Bool {
    let usable = connections.filter {
      $0.state == .open && $0.isUsable && (transport == nil || $0.transport == transport)
    }
    for connection in usable {
      if place(session, on: connection) { return true }
    }
    var longestIdle: (tenant: SessionState, seat: Seat, lastUse: Instant)?
    for connection in usable {
      for tenant in connection.seatedSessions where tenant.isIdle {
        guard let seat = tenant.seat, connection[seat.lane].pendingForks == 0 else { continue }
        if let found = longestIdle, found.lastUse <= tenant.lastUse { continue }
        longestIdle = (tenant, seat, tenant.lastUse)
      }
    }
    guard let (tenant, seat, lastUse) = longestIdle, holds(.longestIdleGivesLane) else { return false }
    seat.connection.evict(.laneReused, on: seat.lane)
    guard lanes == .unsupported, seat.lane > 0 else {
      seat.connection.admit(session, to: seat.lane)
      return true
    }
    // It got its name before the server said that it knows none.
    seat.connection.dismiss(tenant, now: lastUse)
    seat.connection.admit(session, to: 0)
    return true
  }

  private func hasRoom(_ connection: Connection) -> Bool {
    connection.vacantLane(lanes, probing: isProbe(connection)) != nil
  }

  /// Only who is not alone needs to know whether there are lanes.
  private func isProbe(_ connection: Connection) -> Bool {
    connections.contains { $0 !== connection && $0.tenants > 0 }
  }

  func place(_ session: SessionState, on connection: Connection) -> Bool {
    guard let lane = connection.vacantLane(lanes, probing: isProbe(connection)) else { return false }
    // Whoever had the lane before has left; what the cache holds of it is lost with the next request.
    connection.admit(session, to: lane)
    return true
  }
}
