/// What the machine knows of one session: its chain, its turns in the order of their start, and its seat.
final class SessionState {
  let id: SessionID
  let settings: Settings
  let route: Route
  var chain = Chain()
  var ledger = TokenLedger()
  var seat: Seat?
  var active: ActiveTurn?
  var queue: [ActiveTurn] = []
  /// A turn that has ended and may have a successor by itself; until that is settled nothing is sent.
  var awaited: ActiveTurn?
  /// Steers that the server holds until the last response's calls are answered.
  var pendingSteers: [Steer] = []
  /// The caller wants to be told when there is a connection.
  var isConnectWanted = false
  /// Since its last turn, to a younger connection.
  var hasMoved = false
  /// In the list of those who wait for a seat or a slot.
  var isWaiting = false
  var isClosed = false
  /// Turns wait: the chain is about to go on from elsewhere.
  var isCompacting = false
  /// That the last turn was sent to, where the server named it.
  var organization = ""
  var lastUse: Instant

  init(_ id: SessionID, _ settings: Settings, _ route: Route, now: Instant) {
    self.id = id
    self.settings = settings
    self.route = route
    lastUse = now
  }

  var isIdle: Bool { active == nil && queue.isEmpty && awaited == nil && !isConnectWanted && !isCompacting }

  /// Ends all ties.
  func dissolve() {
    seat = nil
    active = nil
    awaited = nil
    queue = []
  }

  /// Needs a seat, or the right to send from the one it has.
  var isReadyToSend: Bool {
    guard let active else { return false }
    if case .placing = active.phase { return true }
    return false
  }
}
