import RWSWebSocket

/// A proxy on the way to the target. `ClientConnection` dials it in the target's place, and there is no other
/// way round it: where the proxy fails, the connection fails.
package struct ProxyHop: Sendable {
  package var host: String
  package var port: UInt16
  /// For TLS with the proxy itself (an `https` proxy), before anything is said to it; nil: plain TCP.
  package var tls: TLSContext?
  /// What is said to the proxy, anew for each connection.
  package var makeTunnel: @Sendable () -> any Tunnel

  package init(
    host: String, port: UInt16, tls: TLSContext? = nil,
    makeTunnel: @escaping @Sendable () -> any Tunnel
  ) {
    self.host = host
    self.port = port
    self.tls = tls
    self.makeTunnel = makeTunnel
  }
}

/// The talk with a proxy until it passes bytes on to the target. Pure: `ClientConnection` sends the output and
/// brings the input.
package protocol Tunnel {
  /// Takes what it understands from the input (empty at the first call, for the client speaks first) and
  /// appends what is to be sent. Called again after each read until the answer is not `needMore`.
  mutating func next(_ input: inout ByteBuffer, _ output: inout ByteBuffer) -> TunnelStep
  /// The proxy ended the connection.
  mutating func receiveEOF() -> TunnelStep
}

package enum TunnelStep {
  case needMore
  /// From here on the bytes are the target's. Neither TLS nor a WebSocket server speaks first, so a rest in the
  /// input fails the connection: it would be the proxy's own words taken for the target's.
  case open
  case failed(NetworkFailure)
}
