import RWSNetwork
import RWSWebSocket

/// Carries one client's connection: answers its HTTP request, then feeds its frames and the clock to the core and sends
/// what comes out.
final class ConnectionHandler {
  private enum State {
    case request
    case open(WebSocketChannel)
    case closing
  }

  private var state = State.request
  private var connection: ServerConnection
  private let router: HTTPRouter
  private let log: ServerLog?
  private let onEnd: (ConnectionHandler) -> Void
  private var timer: TimerID?
  /// A client that does not read is not read from either: its unsent events stay bounded by what it has asked for.
  private var isPaused = false

  private static let pauseBytes = 8 << 20
  private static let resumeBytes = 1 << 20
  private static let closeNanoseconds: Int64 = 500_000_000

  init(
    connection: ServerConnection, router: HTTPRouter, log: ServerLog?,
    onEnd: @escaping (ConnectionHandler) -> Void
  ) {
    self.connection = connection
    self.router = router
    self.log = log
    self.onEnd = onEnd
  }

  /// The server stops. A request that is still coming is left to the end of the loop.
  func close() {
    switch state {
    case .request, .closing:
      break
    case .open(let channel):
      state = .closing
      cancelTimer(on: channel.loop)
      channel.close(
        code: 1001, reason: "the server is stopping", timeoutNanoseconds: Self.closeNanoseconds)
    }
  }

  private func carryOut(_ output: [ServerConnection.Output], on channel: WebSocketChannel) {
    for item in output {
      switch item {
      case .text(let text): channel.send(text: text, tag: 0)
      case .log(let record): log?.write(record)
      }
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
    case .answer(let answer):
      channel.respond(answer)
    case .upgrade:
      guard let upgraded = channel.upgrade(delegate: self) else { return channel.abort() }
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
    state = .closing
    cancelTimer(on: channel.loop)
    channel.close(
      code: 1003, reason: "text frames only", timeoutNanoseconds: Self.closeNanoseconds)
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
