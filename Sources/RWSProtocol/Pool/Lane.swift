/// One lane of a connection as the server has it: requests run one after the other, and the cache holds
/// the latest response, no other (protocol.md, The server's cache).
struct Lane {
  enum Use {
    case idle
    case running(ActiveTurn)
    /// A cancelled turn's response runs on, for the API has no cancel. Until its terminal event nothing else may
    /// be sent here, lest a late event answer the next request.
    case quarantined(Quarantine)
    /// The turn has ended; the server may let another follow by itself.
    case awaitingSuccessor(ActiveTurn)
  }

  struct Quarantine {
    let responseID: String
    /// Steers of which the server may make a successor: its events come on this lane too.
    var awaitedSteers = 0
    /// The response has ended; a successor is due.
    var hasEnded = false
  }

  typealias HeldSteers = (session: SessionID, responseID: String)

  var use = Use.idle
  /// Whose chain the lane serves; it keeps the lane between its turns.
  var tenant: SessionState?
  /// The response that the server's cache holds for this lane.
  private(set) var latestResponseID: String?
  /// The server puts pending steers of this session before the next request that continues that response here.
  var heldSteers: HeldSteers?
  /// Why the response before is not the latest any more.
  private(set) var evictionReason = FullReason.evicted
  /// Forks of the latest response that the server has not begun yet: until then it must stay the latest.
  var pendingForks = 0

  var isIdle: Bool {
    if case .idle = use { true } else { false }
  }

  var isQuarantined: Bool {
    if case .quarantined = use { true } else { false }
  }

  /// A new response takes the cache's place.
  mutating func hold(_ responseID: String) {
    if latestResponseID != nil { evictionReason = .evicted }
    latestResponseID = responseID.isEmpty ? nil : responseID
    heldSteers = nil
  }

  mutating func evict(_ reason: FullReason) {
    guard latestResponseID != nil else { return }
    latestResponseID = nil
    evictionReason = reason
  }
}
