import RWSNetwork
import RWSWebSocket

/// The half of a raw connection that owns the channel. Confined to the client's loop, but for the
/// constants; that rule is why it is `@unchecked Sendable`.
final class WebSocketDriver: @unchecked Sendable {
  /// What a caller sends, and what it weighs while it waits.
  enum Outgoing: Sendable {
    case text([UInt8])
    case binary([UInt8])
    case ping([UInt8])

    /// Of a frame (RFC 6455 §5.2).
    static let headerBytesMax = 14

    var weight: Int {
      switch self {
      case .text(let bytes), .binary(let bytes), .ping(let bytes):
        bytes.count + Self.headerBytesMax
      }
    }
  }

  private let client: ClientCore
  private let core: WebSocketCore
  private let secrets: Secrets
  private var channel: WebSocketChannel?
  private var connect: ConnectOptions?
  /// It goes with a key that is asked for.
  private let asksForKey: Bool
  private var hasAskedAgain = false
  private var isAwaitingKey = false
  /// Sent before the connection was open.
  private var early: [Outgoing] = []
  private var isOpen = false
  /// Closed before it was open, with something to send: that goes out first, if the time suffices.
  private var pendingClose: (code: UInt16, reason: String, deadline: Int64, timer: TimerID)?

  init(_ core: WebSocketCore, of client: ClientCore, secrets: Secrets, asksForKey: Bool) {
    self.core = core
    self.asksForKey = asksForKey
    self.client = client
    self.secrets = secrets
  }

  func start(_ connect: ConnectOptions) {
    guard client.add(self) else { return endAsClientClosed() }
    self.connect = connect
    if asksForKey { return askForKey(isRefused: false) }
    channel = WebSocketChannel(connecting: connect, on: client.loop, delegate: self)
  }

  private func askForKey(isRefused: Bool) {
    isAwaitingKey = true
    client.awaitKey(isRefused: isRefused) { [self] error in
      guard isAwaitingKey, var connect else { return }
      isAwaitingKey = false
      if let error {
        _ = release()
        return core.end(.init(error: error))
      }
      connect.fields = client.withKey(connect.fields)
      channel = WebSocketChannel(connecting: connect, on: client.loop, delegate: self)
    }
  }

  func send(_ outgoing: Outgoing) {
    if isAwaitingKey { return early.append(outgoing) }
    guard let channel else { return }
    guard isOpen else { return early.append(outgoing) }
    let tag = UInt64(outgoing.weight)
    let isTaken: Bool
    switch outgoing {
    case .text(let bytes): isTaken = channel.send(text: bytes, tag: tag)
    case .binary(let bytes):
      isTaken = bytes.withUnsafeBytes { channel.send(binary: $0, tag: tag) }
    case .ping(let payload):
      isTaken = channel.ping(payload)
      core.pinged(payload, at: client.loop.refreshNow())
      // A ping has no tag: it waits in the channel, whose own bound counts it.
      core.sent(outgoing.weight)
    }
    guard !isTaken, channel.isOpen else { return }
    // No message may be missing in the middle of what the peer reads.
    release()?.abort()
    core.end(.init(error: ResponsesError(.limit, "A message could not be queued for sending.")))
  }

  func resumeReading() { channel?.resumeReading() }

  func close(code: UInt16, reason: String, timeout: Int64) {
    guard channel != nil || isAwaitingKey else { return }
    guard !isOpen, !early.isEmpty else {
      guard let channel else { return abort() }
      return channel.close(code: code, reason: reason, timeoutNanoseconds: timeout)
    }
    forgetPendingClose()
    let deadline = MonotonicClock.deadline(after: timeout)
    let timer = client.loop.schedule(at: deadline) { [self] in
      release()?.abort()
      core.end(.init(isUnanswered: true))
    }
    pendingClose = (code, reason, deadline, timer)
  }

  private func forgetPendingClose() {
    if let pending = pendingClose { client.loop.cancel(pending.timer) }
    pendingClose = nil
  }

  /// The caller has let go of the connection.
  func abort() {
    release()?.abort()
    core.end(.init(error: ResponsesError(.closed, "The connection was given up.")))
  }

  /// The client closes, and sees the closing handshake through by itself.
  func closeWithClient() {
    if let channel = release() { client.bury(channel) }
    endAsClientClosed()
  }

  private func endAsClientClosed() {
    core.end(.init(error: ResponsesError(.closed, "The client was closed.")))
  }

  private func release() -> WebSocketChannel? {
    client.remove(self)
    forgetPendingClose()
    early = []
    isAwaitingKey = false
    defer { channel = nil }
    return channel
  }
}

extension WebSocketDriver: WebSocketChannelDelegate {
  func channelOpened(_ channel: WebSocketChannel, _ info: HandshakeInfo) {
    isOpen = true
    // When it has been silent for too long is its owner's to say.
    channel.isInUse = true
    let waiting = early
    early = []
    for outgoing in waiting { send(outgoing) }
    core.opened(WebSocket.Handshake(info))
    if let pending = pendingClose {
      forgetPendingClose()
      channel.close(
        code: pending.code, reason: pending.reason,
        timeoutNanoseconds: pending.deadline - client.loop.now)
    }
  }

  func channel(_ channel: WebSocketChannel, receivedText text: UnsafeRawBufferPointer) {
    deliver(.text, text)
  }

  func channel(_ channel: WebSocketChannel, receivedBinary bytes: UnsafeRawBufferPointer) {
    deliver(.binary, bytes)
  }

  private func deliver(_ kind: WebSocket.Message.Kind, _ bytes: UnsafeRawBufferPointer) {
    if !core.deliver(WebSocket.Message(kind, copying: bytes)) { channel?.pauseReading() }
  }

  func channel(_ channel: WebSocketChannel, receivedPong payload: UnsafeRawBufferPointer) {
    if !core.receivedPong(payload, at: client.loop.refreshNow()) { channel.pauseReading() }
  }

  func channelFinishedRead(_ channel: WebSocketChannel) {}

  func channel(_ channel: WebSocketChannel, flushed tag: UInt64) { core.sent(Int(clamping: tag)) }

  func channelClosed(_ channel: WebSocketChannel, _ failure: NetworkFailure) {
    guard channel === self.channel else { return }
    if case .upgradeRefused(let answer) = failure.kind, answer.status == 401, asksForKey, !hasAskedAgain {
      hasAskedAgain = true
      self.channel = nil
      return askForKey(isRefused: true)
    }
    _ = release()
    client.log(.info, "connection ended: \(failure.message)")
    var ending = WebSocketCore.Ending(error: secrets.redact(client.presentable(failure)))
    var handshake: WebSocket.Handshake?
    switch failure.kind {
    case .peerClosed:
      if let code = failure.closeCode { ending.close = .init(code: code, reason: failure.reason) }
      if Self.isGoodEnd(CloseCode(rawValue: ending.close.code)) { ending.error = nil }
    case .closedLocally:
      if let code = failure.closeCode { ending.close = .init(code: code, reason: failure.reason) }
      ending.error = nil
    case .closingTimedOut:
      ending.isUnanswered = true
      ending.error = nil
    case .upgradeRefused(let answer): handshake = WebSocket.Handshake(refused: answer)
    default: break
    }
    core.end(ending, handshake: handshake)
  }

  /// The peer is done (1000), leaves (1001), or gives no reason; other codes tell of trouble.
  private static func isGoodEnd(_ code: CloseCode) -> Bool {
    code == .normal || code == .goingAway || code == .noStatus
  }
}

extension WebSocket.Handshake {
  fileprivate init(_ info: HandshakeInfo) {
    self.init(
      status: info.status, headers: info.fields.all.map { Header($0.name, $0.value) },
      subprotocol: info.fields["Sec-WebSocket-Protocol"],
      extensions: info.fields.list("Sec-WebSocket-Extensions").joined(separator: ", "),
      peerAddress: info.stream.peerAddress, tlsVersion: info.stream.tlsVersion, proxy: info.stream.proxy)
  }

  fileprivate init(refused answer: HTTPAnswer) {
    self.init(
      status: answer.status, headers: answer.fields.all.map { Header($0.name, $0.value) },
      peerAddress: "")
  }
}
