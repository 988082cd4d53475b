/// One connection as the pool sees it: its lanes and what runs on them. The shell holds it to name the
/// connection that something happened on.
package final class Connection {
  enum State {
    case connecting
    case open
    /// Soon too old: as open, but nobody new comes, and who is here moves to `replacement` between turns.
    case aging
    /// What runs goes on; nothing new is sent.
    case retiring
    case closed
  }

  package let id: ConnectionID
  package let routeID: RouteID
  let route: Route
  package let transport: Transport
  /// Only tries whether WebSocket can be had again: nobody waits for it.
  package internal(set) var isProbe = false
  var state = State.connecting
  /// Index 0 is the default lane. Grows by one with each name used; names are never given back.
  private(set) var lanes = [Lane()]
  /// Running and quarantined ones: what the server counts.
  private(set) var inFlight = 0
  private(set) var tenants = 0
  /// Sessions that sit here and wait for one of the responses in flight to end.
  var waiting: [SessionState] = []
  var scanner = EventStreamScanner()
  /// Turns whose events of this read burst are not with the caller yet.
  var undelivered: [ActiveTurn] = []
  /// Whether the server works for it, as far as is known.
  package var isInUse: Bool { inFlight > 0 }

  /// The server counts more lane names than we do: those who are here may stay, nobody else comes.
  var isFull = false
  /// The question whose answer is the API key that it was dialled with; 0: its route asks none.
  var keyNumber: UInt64 = 0
  /// Its key was refused, and another was asked for.
  var hasAskedAgain = false
  /// As the server's answer named it; empty: it did not.
  var organization = ""
  /// When it is to be left.
  var rotationDue: Instant?
  /// Over HTTP: its one response has ended, and what the server still sends is the end of its answer.
  package internal(set) var isAnswered = false
  /// All its sessions had moved before it was closed.
  var wasLeft = false
  /// Dialled for the sessions of this one, which ages.
  var replacement: Connection?
  /// The shell was told not to read.
  var isPaused = false
  /// When the last tenant left.
  var idleSince: Instant

  init(_ id: ConnectionID, _ route: Route, over transport: Transport, now: Instant) {
    self.id = id
    self.route = route
    self.transport = transport
    routeID = route.id
    idleSince = now
  }

  /// Open, be it only for what has begun.
  var isServing: Bool { isConnected || state == .retiring }
  /// Takes requests of the sessions that are here.
  var isUsable: Bool {
    isConnected && (inFlight < PoolLimits.inFlightMax || !route.holds(.inFlightLimit))
  }

  var isConnected: Bool { state == .open || state == .aging }

  subscript(lane: Int) -> Lane {
    _read { yield lanes[lane] }
    _modify { yield &lanes[lane] }
  }

  /// The lane that an event's `stream_id` names; nil: none that is in use here.
  func lane(named name: UnsafeRawBufferPointer) -> Int? {
    guard let index = LaneName.index(name), index > 0, index < lanes.count else { return nil }
    return index
  }

  /// The lane whose turn, running or ended, has steered that response; nil: none has.
  func lane(steeredTo responseID: String) -> Int? {
    guard !responseID.isEmpty else { return nil }
    return lanes.firstIndex { lane in
      switch lane.use {
      case .idle: false
      case .running(let turn), .awaitingSuccessor(let turn):
        turn.steers.contains { $0.target == responseID }
      case .quarantined(let quarantine): quarantine.responseID == responseID
      }
    }
  }

  // MARK: Tenants

  /// A lane that nobody uses, be it one that was never used; nil: there is none.
  func vacantLane(_ support: Dialect.Lanes, probing: Bool) -> Int? {
    guard !isFull else { return nil }
    switch transport == .http ? .unsupported : support {
    case .unsupported: return tenants == 0 && inFlight == 0 ? 0 : nil
    case .unknown:
      // One session to a connection until it is known; all but the first try a name.
      guard tenants == 0, inFlight == 0 else { return nil }
      return probing ? vacantNamedLane : isVacant(0) ? 0 : nil
    case .supported:
      return isVacant(0) ? 0 : vacantNamedLane
    }
  }

  private var vacantNamedLane: Int? {
    if let index = lanes.indices.dropFirst().first(where: isVacant) { return index }
    return lanes.count <= PoolLimits.namedLanesMax || !route.holds(.laneNamesLimit) ? lanes.count : nil
  }

  /// Of a lane whose response may still be forked from, nobody takes the cache away without need.
  private func isVacant(_ index: Int) -> Bool {
    lanes[index].tenant == nil && lanes[index].isIdle && lanes[index].pendingForks == 0
  }

  func admit(_ session: SessionState, to lane: Int) {
    while lanes.count <= lane { lanes.append(Lane()) }
    if let former = lanes[lane].tenant {
      former.seat = nil
      tenants -= 1
    }
    lanes[lane].tenant = session
    tenants += 1
    session.seat = Seat(connection: self, lane: lane)
  }

  func dismiss(_ session: SessionState, now: Instant) {
    guard let seat = session.seat, seat.connection === self else { return }
    session.seat = nil
    lanes[seat.lane].tenant = nil
    tenants -= 1
    if tenants == 0 { idleSince = now }
  }

  /// Nobody waits here any more; returns who did.
  func endWaiting() -> [SessionState] {
    for session in waiting { session.isWaiting = false }
    defer { waiting = [] }
    return waiting
  }

  // MARK: What the server has of a lane

  /// The lane's response has ended, and took the cache's place.
  func hold(_ responseID: String, on lane: Int) {
    evict(.laneReused, onAllBut: lane)
    lanes[lane].hold(responseID)
  }

  func evict(_ reason: FullReason, on lane: Int) {
    evict(reason, onAllBut: lane)
    lanes[lane].evict(reason)
  }

  /// They are the same lane, if there are none.
  private func evict(_ reason: FullReason, onAllBut lane: Int) {
    guard route.lanes == .unsupported else { return }
    for other in lanes.indices where other != lane { lanes[other].evict(reason) }
  }

  /// The pending steers that it puts before the next request there.
  func heldSteers(on lane: Int) -> Lane.HeldSteers? { lanes[serverLane(lane)].heldSteers }

  func holdSteers(_ steers: Lane.HeldSteers?, on lane: Int) { lanes[serverLane(lane)].heldSteers = steers }

  /// A server without lanes has one, whatever name a session got before that was known.
  private func serverLane(_ lane: Int) -> Int { route.lanes == .unsupported ? 0 : lane }

  // MARK: Requests

  func begin(_ turn: ActiveTurn, on lane: Int) {
    lanes[lane].use = .running(turn)
    inFlight += 1
  }

  func awaitSuccessor(of turn: ActiveTurn, on lane: Int) {
    lanes[lane].use = .awaitingSuccessor(turn)
  }

  func quarantine(_ lane: Int, _ quarantine: Lane.Quarantine) {
    lanes[lane].use = .quarantined(quarantine)
  }

  /// What the server still works on here, nobody waits for.
  var isAbandoned: Bool { lanes.allSatisfy { $0.isIdle || $0.isQuarantined } }

  /// Nothing can be sent, and nobody waits for what is in flight.
  var isFullOfAbandoned: Bool {
    isConnected && !isUsable && isAbandoned && route.holds(.fullOfCancelledIsClosed)
  }

  func finish(_ lane: Int) {
    guard !lanes[lane].isIdle else { return }
    lanes[lane].use = .idle
    inFlight -= 1
  }

  var runningTurns: [ActiveTurn] {
    lanes.compactMap { if case .running(let turn) = $0.use { turn } else { nil } }
  }

  var awaitedTurns: [ActiveTurn] {
    lanes.compactMap { if case .awaitingSuccessor(let turn) = $0.use { turn } else { nil } }
  }

  /// The one lane that has a response in flight; nil: none has, or several.
  var soleLaneInUse: Int? {
    guard inFlight == 1 else { return nil }
    return lanes.firstIndex { !$0.isIdle }
  }

  var seatedSessions: [SessionState] { lanes.compactMap(\.tenant) }

  /// Ends all ties, which also breaks the reference cycles.
  func dissolve() {
    state = .closed
    for session in seatedSessions { session.seat = nil }
    lanes = [Lane()]
    inFlight = 0
    tenants = 0
    waiting = []
    undelivered = []
    replacement = nil
  }
}
