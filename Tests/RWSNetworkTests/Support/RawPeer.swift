import CLinux
import Glibc
import Testing

@testable import RWSNetwork
@testable import RWSWebSocket

/// A socket that does only what the test says, for peers that misbehave. Driven by the test beside the loop.
final class RawPeer {
  let loop: EventLoop
  private(set) var descriptor: Int32
  private(set) var received: [UInt8] = []
  private(set) var sawEnd = false
  /// How much of `received` the test has dealt with.
  var taken = 0

  init(_ loop: EventLoop, _ descriptor: Int32) {
    self.loop = loop
    self.descriptor = descriptor
  }

  deinit { close() }

  /// Connects to `port` of this machine.
  static func connect(
    _ loop: EventLoop, port: UInt16, host: String = "127.0.0.1"
  ) throws -> RawPeer {
    let address = try #require(Resolver.numeric(host, port))
    let descriptor = Socket.make(family: address.family)
    _ = address.withSockaddr { Glibc.connect(descriptor, $0, address.length) }
    return RawPeer(loop, descriptor)
  }

  func close() {
    if descriptor >= 0 { Glibc.close(descriptor) }
    descriptor = -1
  }

  /// Closes with a reset instead of a FIN.
  func reset() {
    var linger = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
    close()
  }

  func send(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    try loop.drive {
      let sent = rest.withUnsafeBytes { Socket.send(self.descriptor, $0.baseAddress, $0.count) }
      if sent > 0 { rest = rest.dropFirst(sent) }
      return rest.isEmpty
    }
  }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  /// Takes what is there, without waiting.
  func poll() {
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = Socket.receive(descriptor, &buffer, buffer.count)
      if count == 0 { sawEnd = true }
      guard count > 0 else { return }
      received.append(contentsOf: buffer[..<count])
    }
  }

  func receive(until condition: ([UInt8]) -> Bool) throws {
    try loop.drive {
      self.poll()
      return condition(self.received)
    }
  }

  func receiveHead() throws -> String {
    try receive { String(decoding: $0, as: UTF8.self).contains("\r\n\r\n") }
    let text = String(decoding: received, as: UTF8.self)
    received = []
    return text
  }

  /// Answers the client's upgrade as a server should.
  func acceptUpgrade() throws {
    let head = try receiveHead()
    let key = try #require(
      head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("sec-websocket-key:") })
    let value = String(key.drop { $0 != ":" }.dropFirst().drop { $0 == " " })
    try send(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Accept: \(AcceptKey.answering(value))\r\n\r\n")
  }
}

/// Listens, and hands out raw peers.
final class RawServer {
  let loop: EventLoop
  let descriptor: Int32
  let port: UInt16

  init(_ loop: EventLoop, host: String = "127.0.0.1", backlog: Int32 = 16) throws {
    self.loop = loop
    let address = try #require(Resolver.numeric(host, 0))
    descriptor = Socket.make(family: address.family)
    let descriptor = self.descriptor
    _ = address.withSockaddr { bind(descriptor, $0, address.length) }
    listen(descriptor, backlog)
    port = try #require(SocketAddress { getsockname(descriptor, $0, $1) }).port
  }

  deinit { Glibc.close(descriptor) }

  func url(secure: Bool = false) throws -> WebSocketURL {
    try WebSocketURL("\(secure ? "wss" : "ws")://127.0.0.1:\(port)/v1/responses")
  }

  func accept() throws -> RawPeer {
    var accepted: Int32 = -1
    let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    try loop.drive {
      accepted = accept4(self.descriptor, nil, nil, flags)
      return accepted >= 0
    }
    return RawPeer(loop, accepted)
  }
}

extension Recorder {
  /// An open channel that reports here, and its peer, which the test plays.
  func openToRawPeer(
    _ loop: EventLoop, _ liveness: LivenessLimits = LivenessLimits()
  ) throws -> (WebSocketChannel, RawPeer) {
    let server = try RawServer(loop)
    var options = ConnectOptions(url: try server.url())
    options.liveness = liveness
    let channel = WebSocketChannel(connecting: options, on: loop, delegate: self)
    let peer = try server.accept()
    try peer.acceptUpgrade()
    try loop.drive { self.info != nil }
    return (channel, peer)
  }
}

/// The answer to a key, for tests that write the head themselves.
enum AcceptKeyForTests {
  static func answer(_ key: String) -> String { AcceptKey.answering(key) }
}
