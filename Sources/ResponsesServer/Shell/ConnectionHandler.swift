import RWSNetwork
import RWSWebSocket

/// Carries one client's connection: answers its HTTP request, then feeds its frames and the clock to the core
/// and sends what comes out.
final class ConnectionHandler {
  private enum State {
    case request
    case open(WebSocketChannel)
    case closing
  }

  private var state = State.request
  private var connection: ServerConnection
  private let router: HTTPRouter
  /// Sent with every answer, as `x-request-id`.
  private let requestID: String
  private let acceptsDeflate: Bool
  private let log: ServerLog?
  private let onEnd: (ConnectionHandler) -> Void
  private var timer: TimerID?
  /// A client that does not read is not read from either: its unsent events stay bounded by what it has asked
  /// for.
  private var isPaused = false

  private static let pauseBytes = 8 << 20
  private static let resumeBytes = 1 << 20
  private static let closeNanoseconds: Int64 = 500_000_000

  init(
    connection: ServerConnection, router: HTTPRouter, requestID: String,
    acceptsDeflate: Bool, log: ServerLog?,
    onEnd: @escaping (ConnectionHandler) -> Void
  ) {
    self.connection = connection
    self.router = router
    self.requestID = requestID
    self.acceptsDeflate = acceptsDeflate
    self.log = log
    self.onEnd = onEnd
  }

  /// The server stops. A request that is still coming is left to the end of the loop.
  func close() {
    switch state {
    case .request, .closing:
      break
    case .open(let channel):
      close(channel, code: 1001, reason: "the server is stopping")
    }
  }

  private func close(_ channel: WebSocketChannel, code: UInt16, reason: String) {
    state = .closing
    cancelTimer(on: channel.loop)
    channel.close(code: code, reason: reason, timeoutNanoseconds: Self.closeNanoseconds)
  }

  private func carryOut(_ output: [ServerConnection.Output], on channel: WebSocketChannel) {
    var isSent = true
    for item in output {
      switch item {
      case .text(let text): isSent = isSent && channel.send(text: text, tag: 0)
      case .log(let record): log?.write(record)
      }
    }
    guard isSent else {
      // The queue is full, or the connection is ending: then this changes nothing. Never drop an event and go on.
      return close(channel, code: 1011, reason: "too many bytes of events are unread")
    }
    if channel.queuedBytes > Self.pauseBytes, !isPaused {
      isPaused = true
      channel.pauseReading()
    }
    arm(channel)
  }

  private func arm(_ channel: WebSocketChannel) {
    cancelTimer(on: channel.loop)
    guard let deadline = connection.nextDeadline else { return }
    timer = channel.loop.schedule(at: deadline) { [weak self] in
      guard let self, case .open(let channel) = state else { return }
      timer = nil
      carryOut(connection.tick(channel.loop.now), on: channel)
    }
  }

  private func cancelTimer(on loop: EventLoop) {
    if let timer { loop.cancel(timer) }
    timer = nil
  }
}

extension ConnectionHandler: ServerChannelDelegate {
  func channel(_ channel: ServerChannel, received request: ServerRequest) {
    switch router.decide(request) {
    case .answer(var answer):
      answer.fields.append("x-request-id", requestID)
      channel.respond(answer)
    case .upgrade:
      let fields = HTTPFields(["x-request-id": requestID])
      let deflate = acceptsDeflate ? DeflateParameters.serverPreference : nil
      guard let upgraded = channel.upgrade(fields: fields, deflate: deflate, delegate: self)
      else {
        channel.abort()
        return onEnd(self)
      }
      state = .open(upgraded)
    }
  }

  func channelClosed(_ channel: ServerChannel) { onEnd(self) }
}

extension ConnectionHandler: WebSocketChannelDelegate {
  func channelOpened(_ channel: WebSocketChannel, _ info: HandshakeInfo) {}

  func channel(_ channel: WebSocketChannel, receivedText text: UnsafeRawBufferPointer) {
    guard case .open = state else { return }
    carryOut(connection.receive(text, now: channel.loop.now), on: channel)
  }

  func channel(_ channel: WebSocketChannel, receivedBinary bytes: UnsafeRawBufferPointer) {
    guard case .open = state else { return }
    close(channel, code: 1003, reason: "text frames only")
  }

  func channelFinishedRead(_ channel: WebSocketChannel) {}

  func channel(_ channel: WebSocketChannel, flushed tag: UInt64) {
    guard isPaused, channel.queuedBytes < Self.resumeBytes else { return }
    isPaused = false
    channel.resumeReading()
  }

  func channelClosed(_ channel: WebSocketChannel, _ failure: NetworkFailure) {
    state = .closing
    cancelTimer(on: channel.loop)
    onEnd(self)
  }
}
