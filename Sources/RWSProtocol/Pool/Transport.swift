/// What carries a turn.
public enum Transport: Int32, Sendable, Equatable {
  case webSocket = 1
  /// `POST /v1/responses` with `stream:true`, answered by server-sent events: a connection for each response.
  case http = 2
}

extension Transport: CustomStringConvertible {
  public var description: String {
    switch self {
    case .webSocket: "websocket"
    case .http: "http"
    }
  }
}

/// What a client uses.
public enum TransportChoice: Int32, Sendable, Equatable {
  case webSocket = 1
  case http = 2
  /// WebSocket; HTTP as soon as that cannot be had, until it can be had again.
  case automatic = 3
}

/// What carries the next connection. One for all routes of a client: they differ in credentials, and go to the same
/// place by the same way.
struct TransportPolicy {
  /// A connection tries whether WebSocket can be had again, or one will.
  enum Probe: Equatable {
    case none
    case due(Instant)
    case running
  }

  private let choice: TransportChoice
  private var isBlocked = false
  var probe = Probe.none

  init(_ choice: TransportChoice) { self.choice = choice }

  /// - Parameter own: A turn's own choice; nil: it has none.
  func current(_ own: TransportChoice?) -> Transport {
    switch own ?? choice {
    case .webSocket: .webSocket
    case .http: .http
    case .automatic: isBlocked ? .http : .webSocket
    }
  }

  /// What nothing else may take the place of; nil: whatever can be had.
  func required(_ own: TransportChoice?) -> Transport? {
    switch own ?? choice {
    case .webSocket: .webSocket
    case .http: .http
    case .automatic: nil
    }
  }

  func isAutomatic(_ own: TransportChoice?) -> Bool { own ?? choice == .automatic }

  mutating func block() { isBlocked = true }

  mutating func unblock() { isBlocked = false }
}
