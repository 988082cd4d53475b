import RWSWebSocket
import Testing

@testable import RWSNetwork

/// All tests of the module run one after another: several count the process's descriptors and threads.
@Suite(.serialized) enum NetworkTests {}

struct TimedOut: Error {}

extension EventLoop {
  /// Drives the loop on the test's thread until `condition` holds. The bound is far beyond what a slow
  /// machine needs.
  func drive(
    _ location: SourceLocation = #_sourceLocation, until condition: () -> Bool
  ) throws {
    let deadline = MonotonicClock.deadline(after: 20_000_000_000)
    while !condition() {
      guard MonotonicClock.now() < deadline else {
        Issue.record("nothing happened within the bound", sourceLocation: location)
        throw TimedOut()
      }
      runOnce(maxWait: 5_000_000)
    }
  }

  /// Handles everything that is due now.
  func settle() {
    for _ in 0..<20 { runOnce(maxWait: 0) }
  }
}

/// Records what a channel says. Text and binary are copied.
final class Recorder: WebSocketChannelDelegate {
  var info: HandshakeInfo?
  var texts: [[UInt8]] = []
  var binaries: [[UInt8]] = []
  var bursts = 0
  var flushed: [UInt64] = []
  var failures: [NetworkFailure] = []

  var onOpen: (WebSocketChannel) -> Void = { _ in }
  var onText: (WebSocketChannel, UnsafeRawBufferPointer) -> Void = { _, _ in }
  var onFlush: (WebSocketChannel, UInt64) -> Void = { _, _ in }
  var onClose: (WebSocketChannel) -> Void = { _ in }
  var keepsTexts = true

  var strings: [String] { texts.map { String(decoding: $0, as: UTF8.self) } }
  var failure: NetworkFailure? { failures.first }

  func channelOpened(_ channel: WebSocketChannel, _ info: HandshakeInfo) {
    self.info = info
    onOpen(channel)
  }

  func channel(_ channel: WebSocketChannel, receivedText text: UnsafeRawBufferPointer) {
    if keepsTexts { texts.append(Array(text)) }
    onText(channel, text)
  }

  func channel(_ channel: WebSocketChannel, receivedBinary bytes: UnsafeRawBufferPointer) {
    binaries.append(Array(bytes))
  }

  func channelFinishedRead(_ channel: WebSocketChannel) { bursts += 1 }

  func channel(_ channel: WebSocketChannel, flushed tag: UInt64) {
    flushed.append(tag)
    onFlush(channel, tag)
  }

  func channelClosed(_ channel: WebSocketChannel, _ failure: NetworkFailure) {
    failures.append(failure)
    onClose(channel)
  }
}

/// A server on the test's loop: upgrades every request unless told otherwise, and echoes.
final class EchoServer: ListenerDelegate, ServerChannelDelegate {
  let loop: EventLoop
  private(set) var listener: Listener!
  let tls: Bool
  /// One per WebSocket connection, with its channel.
  var connections: [(channel: WebSocketChannel, recorder: Recorder)] = []
  var requests: [ServerRequest] = []
  var closedRequests = 0
  var accepted: [ServerChannel] = []
  var echoes = true
  var limits = ChannelLimits()
  /// Replaces the upgrade.
  var answer: ((ServerChannel, ServerRequest) -> Void)?

  init(_ loop: EventLoop, _ configure: (inout ListenOptions) -> Void = { _ in }) throws {
    self.loop = loop
    var options = ListenOptions()
    configure(&options)
    tls = options.tls != nil
    listener = try Listener(options, on: loop, delegate: self)
  }

  func url(_ host: String = "127.0.0.1", path: String = "/v1/responses") throws -> WebSocketURL {
    try WebSocketURL("\(tls ? "wss" : "ws")://\(host):\(listener.port)\(path)")
  }

  func listener(_ listener: Listener, accepted channel: ServerChannel) {
    accepted.append(channel)
    channel.delegate = self
  }

  func channel(_ channel: ServerChannel, received request: ServerRequest) {
    requests.append(request)
    if let answer { return answer(channel, request) }
    let recorder = Recorder()
    recorder.onText = { [weak self] channel, text in
      if self?.echoes == true { channel.send(text: text, tag: 0) }
    }
    if let socket = channel.upgrade(limits: limits, delegate: recorder) {
      connections.append((socket, recorder))
    } else {
      channel.respond(HTTPAnswer(status: 404))
    }
  }

  func channelClosed(_ channel: ServerChannel) { closedRequests += 1 }

  func stop() {
    listener.close()
    for channel in accepted { channel.abort() }
    for connection in connections { connection.channel.abort() }
    loop.settle()
  }
}
