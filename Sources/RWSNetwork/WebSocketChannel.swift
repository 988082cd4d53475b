/// What became of the opening handshake.
package struct HandshakeInfo: Sendable {
  /// 101.
  package var status: Int
  package var headers: [HeaderField]
  /// Numeric address and port of the peer, as in `127.0.0.1:443` or `[::1]:443`.
  package var peerAddress: String
  /// As in `TLSv1.3`; nil without TLS.
  package var tlsVersion: String?
}

/// Where and how a client channel connects.
package struct ConnectOptions: Sendable {
  /// A name or a numeric address (IPv6 without brackets).
  package var host: String
  package var port: UInt16
  /// Request target: path and query, as in `/v1/responses`.
  package var target: String
  /// nil: plain TCP.
  package var tls: TLSContext?
  /// Sent besides those of the handshake. Names and values are checked against CR, LF and NUL.
  package var headers: [HeaderField]
  /// DNS, TCP, TLS and upgrade together.
  package var timeoutNanoseconds: Int64 = 15_000_000_000
  package var limits = ChannelLimits()

  package init(
    host: String, port: UInt16, target: String, tls: TLSContext? = nil, headers: [HeaderField] = []
  ) {
    self.host = host
    self.port = port
    self.target = target
    self.tls = tls
    self.headers = headers
  }
}

package struct ChannelLimits: Sendable {
  /// A longer received message fails the connection with 1009.
  package var receivedMessageBytes = 64 << 20
  /// A body that answers an upgrade is kept up to this length.
  package var answerBodyBytes = 64 << 10

  package init() {}
}

/// The owner of a channel. Every call comes on the loop's driving thread. Any method of the channel may be called from
/// inside a callback, `abort` included.
package protocol WebSocketChannelDelegate: AnyObject {
  func channelOpened(_ channel: WebSocketChannel, _ info: HandshakeInfo)
  /// A whole text message (valid UTF-8), borrowed until the callback returns.
  func channel(_ channel: WebSocketChannel, receivedText text: UnsafeRawBufferPointer)
  func channel(_ channel: WebSocketChannel, receivedBinary bytes: UnsafeRawBufferPointer)
  /// All messages of one read burst have been handed over: the moment to publish a batch. Also called before
  /// `channelClosed` if messages came since the last time.
  func channelFinishedRead(_ channel: WebSocketChannel)
  /// The message sent with `tag`, and all before it, were handed wholly to the kernel.
  func channel(_ channel: WebSocketChannel, flushed tag: UInt64)
  /// The end, exactly once unless `abort` came before; also when connecting fails.
  func channelClosed(_ channel: WebSocketChannel, _ failure: NetworkFailure)
}

/// One WebSocket connection over TCP or TLS, client or server side, confined to its loop.
///
/// The loop keeps a channel alive until it is closed or aborted; the channel does not retain its delegate.
package final class WebSocketChannel {
  package weak var delegate: (any WebSocketChannelDelegate)?
  package let loop: EventLoop

  /// Begins to connect: DNS → TCP → TLS → upgrade. The outcome comes later, as `channelOpened` or `channelClosed`, never
  /// inside this call. Call it on the driving thread.
  package init(
    connecting options: ConnectOptions, on loop: EventLoop, delegate: any WebSocketChannelDelegate
  ) {
    self.loop = loop
    self.delegate = delegate
  }

  /// Queues a text message (the bytes must be valid UTF-8) and writes what the kernel takes. Bytes are copied before
  /// return. `flushed(tag)` follows, possibly inside this call. Without effect if the channel is not open
  /// (before `channelOpened`, after `close`, `abort` or `channelClosed`): then it returns false.
  @discardableResult
  package func send(text: UnsafeRawBufferPointer, tag: UInt64) -> Bool { false }

  @discardableResult
  package func send(text: [UInt8], tag: UInt64) -> Bool {
    text.withUnsafeBytes { send(text: $0, tag: tag) }
  }

  @discardableResult
  package func send(binary: UnsafeRawBufferPointer, tag: UInt64) -> Bool { false }

  /// Sends a ping; any inbound byte shows life (`lastReceived`). At most 125 bytes, else false.
  @discardableResult
  package func ping(_ payload: [UInt8] = []) -> Bool { false }

  /// Begins the closing handshake. `channelClosed(closedLocally)` follows when the peer has answered or when
  /// `timeoutNanoseconds` have passed. While connecting: gives up at once, and reports it from the loop.
  package func close(code: UInt16 = 1000, reason: String = "", timeoutNanoseconds: Int64) {}

  /// Drops the connection now. No delegate call follows.
  package func abort() {}

  /// Back-pressure: while paused nothing is read from the socket and no message is delivered.
  /// A message callback may pause; the messages already read follow after `resumeReading`, from the loop.
  package func pauseReading() {}
  package func resumeReading() {}

  package var isOpen: Bool { false }
  /// Open, nothing queued for writing, no half-received message.
  package var isIdle: Bool { false }
  /// Bytes queued and not yet taken by the kernel.
  package var queuedBytes: Int { 0 }
  /// When bytes last came in (loop time).
  package var lastReceived: Int64 { 0 }
}
