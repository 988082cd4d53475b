import RWSWebSocket

/// Why a connection could not be made, or why it ended.
package struct NetworkFailure: Error, Sendable {
  /// The part of connecting that was under way.
  package enum Stage: Sendable, Equatable {
    case resolving, connecting, tunnelling, securing, upgrading
  }

  package enum Kind: Sendable, Equatable {
    /// The host name has no address.
    case resolve
    /// The host answered that nothing listens on the port.
    case refused
    /// No connection for another reason: no route, network down, …
    case unreachable
    /// The connect timeout expired in this stage.
    case timedOut(Stage)
    case tlsUntrusted
    case tlsHostname
    /// Expired or not yet valid.
    case tlsExpired
    /// A good certificate, but none of its chain's keys is pinned.
    case tlsPin
    case tls
    /// The proxy opened no tunnel; its answer, if it was one in HTTP.
    case proxy(HTTPAnswer?)
    /// Likewise, for it wants other credentials, or does not allow the target.
    case proxyUnauthorized(HTTPAnswer?)
    /// The server answered the upgrade request with another HTTP status than 101.
    case upgradeRefused(HTTPAnswer)
    /// The server's 101 answer breaks RFC 6455 §4.1, or its answer was no HTTP.
    case handshake
    /// The peer broke RFC 6455 after the handshake; `closeCode` is what we sent.
    case protocolViolation
    /// A close frame came; `closeCode` (nil: none given) and `reason` are the peer's.
    case peerClosed
    /// The connection ended without a close frame.
    case lost
    /// Nothing came for too long, and pings stayed unanswered.
    case dead
    /// The peer took nothing of what waited to be sent for too long.
    case stalled
    /// This machine slept, or this process was stopped: what the peer has done meanwhile is unknown.
    case suspended
    case messageTooLarge
    /// Out of descriptors, threads or memory.
    case resources
    /// The closing handshake that we began is over, or the peer ended the connection instead.
    case closedLocally
    /// The peer did not answer our Close frame in time.
    case closingTimedOut
  }

  package var kind: Kind
  /// A sentence for the user: what happened, with host and port, and what to do. Never a credential.
  package var message: String
  package var closeCode: UInt16?
  package var reason: String

  package init(_ kind: Kind, _ message: String, closeCode: UInt16? = nil, reason: String = "") {
    self.kind = kind
    self.message = message
    self.closeCode = closeCode
    self.reason = reason
  }
}
