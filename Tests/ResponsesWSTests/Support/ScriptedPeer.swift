import RWSJSON
import RWSNetwork
import RWSWebSocket

/// A `response.create` as the peer received it.
struct PeerRequest: Sendable {
  /// From 1, over all connections.
  let number: Int
  /// From 1: the connection that it came on.
  let connection: Int
  let json: String

  /// A member of the body, as it was written; nil if there is none.
  subscript(name: String) -> String? {
    (try? JSONValue(parsing: json))?[name].map { String(decoding: $0.bytes, as: UTF8.self) }
  }

  /// The input items, as they were written.
  var input: [String] {
    (try? JSONValue(parsing: json))?["input"]?.elements
      .map { String(decoding: $0.bytes, as: UTF8.self) } ?? []
  }
}

/// A WebSocket server on a thread of its own that answers as the test's script says.
///
/// `@unchecked Sendable`: what is not in a `Holder` is touched on the loop only, or constant.
final class ScriptedPeer: @unchecked Sendable {
  /// Called on the peer's thread for every request.
  typealias Script = @Sendable (PeerConnection, PeerRequest) -> Void

  let requests = Holder<[PeerRequest]>([])
  let upgrades = Holder<[ServerRequest]>([])
  /// Connections that are open.
  let openConnections = Holder(0)

  private let loop: EventLoop
  private let thread: IOThread
  private let port: UInt16
  private let isSecure: Bool
  private let acceptor: Acceptor

  /// - Parameter refusal: answers the upgrade instead of 101.
  /// - Parameter acceptance: fields of the 101.
  init(
    tls certificate: SelfSignedCertificate? = nil, refusal: HTTPAnswer? = nil,
    acceptance: HTTPFields = HTTPFields(),
    script: @escaping Script = ScriptedPeer.echo
  ) throws {
    loop = try EventLoop()
    acceptor = Acceptor(refusal, acceptance, script)
    var options = ListenOptions()
    options.host = "127.0.0.1"
    options.tls = try certificate.map {
      try TLSContext.server(certificatePEM: $0.certificatePEM, keyPEM: $0.keyPEM)
    }
    isSecure = options.tls != nil
    let listener = try Listener(options, on: loop, delegate: acceptor)
    port = listener.port
    acceptor.listener = listener
    thread = try IOThread(loop: loop, name: "peer")
    acceptor.peer = self
  }

  /// - Parameter hearsCloses: false: stops reading after its first answer, so no Close frame is answered.
  /// - Parameter answers: the events that answer a request, by its number from 1.
  convenience init(
    hearsCloses: Bool = true, _ answers: @escaping @Sendable (_ request: Int) -> [String]
  ) throws {
    try self.init { connection, request in
      connection.send(answers(request.number))
      if !hearsCloses { connection.stopReading() }
    }
  }

  deinit { stop() }

  /// Sends every text back as it came.
  static let mirror: Script = { connection, request in connection.send(request.json) }

  /// Answers every request with its number.
  static let echo: Script = { connection, request in
    connection.send(ServerEvent.reply("resp_\(request.number)", "reply \(request.number)"))
  }

  func url(host: String = "127.0.0.1") -> String {
    "\(isSecure ? "wss" : "ws")://\(host):\(port)/v1"
  }

  var url: String { url() }

  /// Runs `body` on the peer's thread with the newest connection.
  func onConnection(_ body: @escaping @Sendable (PeerConnection) -> Void) {
    loop.post { [acceptor] in acceptor.connections.last.map(body) }
  }

  /// Also at the end of its life; a second time has no effect.
  func stop() {
    loop.post { [acceptor] in acceptor.stop() }
    thread.stopAndJoin()
  }
}

private final class Acceptor: ListenerDelegate, ServerChannelDelegate, @unchecked Sendable {
  weak var peer: ScriptedPeer?
  var listener: Listener?
  var connections: [PeerConnection] = []
  private var waiting: [ServerChannel] = []
  private let refusal: HTTPAnswer?
  private let acceptance: HTTPFields
  private let script: ScriptedPeer.Script

  init(
    _ refusal: HTTPAnswer?, _ acceptance: HTTPFields, _ script: @escaping ScriptedPeer.Script
  ) {
    self.refusal = refusal
    self.acceptance = acceptance
    self.script = script
  }

  func listener(_ listener: Listener, accepted channel: ServerChannel) {
    waiting.append(channel)
    channel.delegate = self
  }

  func channel(_ channel: ServerChannel, received request: ServerRequest) {
    guard let peer else { return channel.abort() }
    peer.upgrades.change { $0.append(request) }
    if let refusal { return channel.respond(refusal) }
    let connection = PeerConnection(peer, number: connections.count + 1, script)
    guard let upgraded = channel.upgrade(fields: acceptance, delegate: connection) else { return channel.abort() }
    connection.channel = upgraded
    connections.append(connection)
    peer.openConnections.change { $0 += 1 }
  }

  func channelClosed(_ channel: ServerChannel) {}

  func stop() {
    listener?.close()
    for channel in waiting { channel.abort() }
    for connection in connections { connection.cut() }
  }
}

/// One connection, on the peer's thread.
final class PeerConnection: WebSocketChannelDelegate {
  private weak var peer: ScriptedPeer?
  private let number: Int
  private let script: ScriptedPeer.Script
  fileprivate var channel: WebSocketChannel?

  fileprivate init(_ peer: ScriptedPeer, number: Int, _ script: @escaping ScriptedPeer.Script) {
    self.peer = peer
    self.number = number
    self.script = script
  }

  func send(_ events: [String]) {
    for event in events { channel?.send(text: Array(event.utf8), tag: 0) }
  }

  func send(_ events: String...) { send(events) }

  func close(code: UInt16, reason: String = "") {
    channel?.close(code: code, reason: reason, timeoutNanoseconds: 1_000_000_000)
  }

  func stopReading() { channel?.pauseReading() }

  /// Ends the connection without a close frame.
  func cut() {
    channel?.abort()
    ended()
  }

  /// Once everything sent so far has left.
  func cutWhenFlushed() {
    guard let channel, !channel.isIdle else { return cut() }
    channel.loop.schedule(at: MonotonicClock.deadline(after: 1_000_000)) { self.cutWhenFlushed() }
  }

  func later(milliseconds: Int64, _ action: @escaping () -> Void) {
    channel?.loop.schedule(
      at: MonotonicClock.deadline(after: milliseconds * 1_000_000), action)
  }

  private func ended() {
    guard channel != nil else { return }
    channel = nil
    peer?.openConnections.change { $0 -= 1 }
  }

  func channelOpened(_ channel: WebSocketChannel, _ info: HandshakeInfo) {}

  func channel(_ channel: WebSocketChannel, receivedText text: UnsafeRawBufferPointer) {
    guard let peer else { return }
    let json = String(decoding: text, as: UTF8.self)
    let request = peer.requests.change { requests in
      let request = PeerRequest(number: requests.count + 1, connection: number, json: json)
      requests.append(request)
      return request
    }
    script(self, request)
  }

  /// The API has no binary messages: they are echoed.
  func channel(_ channel: WebSocketChannel, receivedBinary bytes: UnsafeRawBufferPointer) {
    channel.send(binary: bytes, tag: 0)
  }

  func channelFinishedRead(_ channel: WebSocketChannel) {}
  func channel(_ channel: WebSocketChannel, flushed tag: UInt64) {}
  func channelClosed(_ channel: WebSocketChannel, _ failure: NetworkFailure) { ended() }
}
