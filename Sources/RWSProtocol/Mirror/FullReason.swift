/// Why a turn sent the whole history instead of only what is new.
public enum FullReason: Sendable, Equatable {
  /// There is nothing to continue yet.
  case first
  /// The session was restored, and its last response is not stored.
  case restored
  /// The connection whose cache held the context is gone.
  case reconnected
  /// The session moved to a younger connection before the age limit of the one that holds the context.
  case rotated
  /// The lane's cache now holds another session's response.
  case laneReused
  /// A turn was cancelled, and the server went on to its end in the context's place.
  case cancelled
  /// A failed continuation evicted the context.
  case failed
  /// The server's cache lost the context otherwise.
  case evicted
  /// The server answered `previous_response_not_found`.
  case notFound
  /// The last response is incomplete in the middle of a call: it cannot be continued.
  case unfinishedCall
  /// The caller's whole history is not the one so far with something added: the path of the first difference, as in
  /// `input[3].content[0].text`.
  case prefixChanged(String)
  /// The server takes instructions only at a chain's start, and they are others now.
  case instructionsChanged
  /// The turn gives up calls of the last response (`isAbandoningCalls`), which the server's context still holds.
  case callsAbandoned
  /// The context is cached on a lane or connection that this turn could not use.
  case elsewhere
  /// The history was compacted: another window is sent in its place.
  case compacted
  /// Over HTTP there is no cache to continue, only what is stored.
  case http
}

extension FullReason {
  /// Whether an agent that does everything right would meet it too.
  var isExpected: Bool {
    switch self {
    case .first, .rotated: true
    // Asked for.
    case .callsAbandoned, .compacted, .restored, .http: true
    case .reconnected, .laneReused, .cancelled, .failed, .evicted, .notFound, .unfinishedCall,
      .prefixChanged, .instructionsChanged, .elsewhere:
      false
    }
  }
}

extension FullReason: CustomStringConvertible {
  /// As in the documentation and in C.
  public var description: String {
    switch self {
    case .first: "first"
    case .restored: "restored"
    case .reconnected: "reconnected"
    case .rotated: "rotated"
    case .laneReused: "lane_reused"
    case .cancelled: "cancelled"
    case .failed: "failed"
    case .evicted: "evicted"
    case .notFound: "not_found"
    case .unfinishedCall: "unfinished_call"
    case .prefixChanged(let path): "prefix_changed: \(path)"
    case .instructionsChanged: "instructions_changed"
    case .callsAbandoned: "calls_abandoned"
    case .elsewhere: "elsewhere"
    case .compacted: "compacted"
    case .http: "http"
    }
  }
}
