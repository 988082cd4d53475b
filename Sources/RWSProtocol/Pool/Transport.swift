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
  private let choice: TransportChoice
  /// A connection tries whether WebSocket can be had again, or one will.
  var isProbeDue = false
  private var isBlocked = false

  init(_ choice: TransportChoice) { self.choice = choice }

  var current: Transport {
    switch choice {
    case .webSocket: .webSocket
    case .http: .http
    case .automatic: isBlocked ? .http : .webSocket
    }
  }

  var isAutomatic: Bool { choice == .automatic }

  /// WebSocket cannot be had. True if HTTP is used from now on.
  mutating func block() -> Bool {
    guard choice == .automatic else { return false }
    isBlocked = true
    return true
  }

  mutating func unblock() { isBlocked = false }
}
