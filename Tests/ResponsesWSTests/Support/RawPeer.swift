import Glibc
import Testing

@testable import RWSNetwork
@testable import RWSWebSocket

/// A TCP server that writes fixed bytes, for what no WebSocket server would send.
final class RawPeer: @unchecked Sendable {
  struct Script: Sendable {
    /// Answers the request head; nil: a proper 101.
    var answer: String?
    /// Sent after the first bytes that follow the upgrade.
    var reply: [UInt8] = []
    var end = End.stay

    enum End: Sendable { case stay, close, reset }
  }

  let port: UInt16
  private let loop: EventLoop
  private let thread: IOThread
  private let descriptor: Int32
  private let handler: Acceptor
  private var registration: Registration?

  init(_ script: Script, backlog: Int32 = 16, accepts: Bool = true) throws {
    loop = try EventLoop()
    let address = try #require(Resolver.numeric("127.0.0.1", 0))
    let descriptor = Socket.make(family: AF_INET)
    self.descriptor = descriptor
    _ = address.withSockaddr { bind(descriptor, $0, address.length) }
    listen(descriptor, backlog)
    port = try #require(SocketAddress { getsockname(descriptor, $0, $1) }).port
    handler = Acceptor(descriptor, loop, script)
    if accepts {
      registration = try loop.add(descriptor, interest: UInt32(POLLIN), handler: handler)
    }
    thread = try IOThread(loop: loop, name: "raw-peer")
  }

  var url: String { "ws://127.0.0.1:\(port)/v1" }

  /// Of a peer that does not accept by itself: waits for a connection and drops it.
  func dropOne() throws {
    var listening = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    try #require(poll(&listening, 1, 20_000) == 1)
    close(accept(descriptor, nil, nil))
  }

  func stop() {
    thread.stopAndJoin()
    handler.closeAll()
    // A handler that stays registered keeps its loop, and the loop its handlers.
    registration.map(loop.remove)
    close(descriptor)
  }

  /// A text frame as a server sends it (RFC 6455 §5.2), of at most 125 bytes.
  static func frame(_ first: UInt8 = 0x81, _ payload: String) -> [UInt8] {
    [first, UInt8(payload.utf8.count)] + Array(payload.utf8)
  }

  private final class Acceptor: DescriptorHandler, @unchecked Sendable {
    let descriptor: Int32
    let loop: EventLoop
    let script: Script
    var connections: [Connection] = []

    init(_ descriptor: Int32, _ loop: EventLoop, _ script: Script) {
      self.descriptor = descriptor
      self.loop = loop
      self.script = script
    }

    func ready(_ events: UInt32) {
      let accepted = accept(descriptor, nil, nil)
      guard accepted >= 0 else { return }
      _ = fcntl(accepted, F_SETFL, O_NONBLOCK)
      let connection = Connection(accepted, loop, script)
      connections.append(connection)
      connection.registration = try? loop.add(
        accepted, interest: UInt32(POLLIN), handler: connection)
    }

    func closeAll() { for connection in connections { connection.close() } }
  }

  private final class Connection: DescriptorHandler {
    var descriptor: Int32
    let loop: EventLoop
    let script: Script
    var registration: Registration?
    var received: [UInt8] = []
    var isUpgraded = false
    var hasReplied = false

    init(_ descriptor: Int32, _ loop: EventLoop, _ script: Script) {
      self.descriptor = descriptor
      self.loop = loop
      self.script = script
    }

    func ready(_ events: UInt32) {
      var buffer = [UInt8](repeating: 0, count: 65536)
      let count = Socket.receive(descriptor, &buffer, buffer.count)
      guard count > 0 else { return close() }
      received.append(contentsOf: buffer[..<count])
      isUpgraded ? reply() : upgrade()
    }

    private func upgrade() {
      let text = String(decoding: received, as: UTF8.self)
      guard text.hasSuffix("\r\n\r\n") else { return }
      received = []
      isUpgraded = true
      if let answer = script.answer {
        send(Array(answer.utf8))
        return end()
      }
      let line = text.split(separator: "\r\n").first {
        $0.lowercased().hasPrefix("sec-websocket-key: ")
      }
      let key = line?.split(separator: " ").last.map(String.init) ?? ""
      let head =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Accept: \(AcceptKey.answering(key))\r\n\r\n"
      send(Array(head.utf8))
    }

    private func reply() {
      // What comes after the reply is the client's close frame.
      guard !hasReplied else { return close() }
      hasReplied = true
      send(script.reply)
      end()
    }

    private func send(_ bytes: [UInt8]) {
      _ = Socket.send(descriptor, bytes, bytes.count)
    }

    private func end() {
      switch script.end {
      case .stay: return
      case .close: break
      case .reset:
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
      }
      close()
    }

    func close() {
      guard descriptor >= 0 else { return }
      registration.map { loop.remove($0) }
      Glibc.close(descriptor)
      descriptor = -1
    }
  }
}
