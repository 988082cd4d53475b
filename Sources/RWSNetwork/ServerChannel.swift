/// A complete HTTP request as the server received it.
package struct ServerRequest: Sendable {
  package var method: String
  /// Path and query as sent.
  package var target: String
  package var headers: [HeaderField]
  /// Whole; empty for an upgrade.
  package var body: [UInt8]
  /// The request asks for a WebSocket, and validly so (RFC 6455 §4.2.1).
  package var isWebSocketUpgrade: Bool

  /// The first header of this name, in any case.
  package func header(_ name: String) -> String? {
    headers.first { $0.name.lowercased() == name.lowercased() }?.value
  }
}

/// Every call comes on the loop's driving thread.
package protocol ServerChannelDelegate: AnyObject {
  /// Answer with `upgrade`, `respond`, or `abort`, now or later. One request per connection.
  func channel(_ channel: ServerChannel, received request: ServerRequest)
  /// The connection ended before it was upgraded: answered and flushed, timed out, broken, or dropped by the peer.
  /// Exactly once unless `upgrade` or `abort` came before.
  func channelClosed(_ channel: ServerChannel)
}

/// One accepted connection until its request is answered or upgraded. Confined to its loop, which keeps it alive.
package final class ServerChannel {
  package weak var delegate: (any ServerChannelDelegate)?
  package let loop: EventLoop
  /// Numeric address and port of the client.
  package let peerAddress: String

  init(loop: EventLoop, peerAddress: String) {
    self.loop = loop
    self.peerAddress = peerAddress
  }

  /// Answers 101 and goes on as a WebSocket. The returned channel is open already (no `channelOpened` call follows) and
  /// delivers nothing before this call has returned. `headers` are sent besides those of the handshake. Returns nil if
  /// the connection has ended or the request was no valid upgrade.
  package func upgrade(
    headers: [HeaderField] = [], limits: ChannelLimits = ChannelLimits(),
    delegate: any WebSocketChannelDelegate
  ) -> WebSocketChannel? { nil }

  /// Answers with a complete body (Content-Length and Connection: close are added), then closes when it is flushed.
  package func respond(_ answer: HTTPAnswer) {}

  /// Drops the connection now. No delegate call follows.
  package func abort() {}
}
