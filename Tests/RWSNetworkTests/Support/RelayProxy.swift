import CLinux
import Glibc
import RWSWebSocket
import Testing

@testable import RWSNetwork

/// A proxy with a protocol of one line each way (`to PORT`, `ok`), on the test's loop, with TLS or without.
final class RelayProxy: DescriptorHandler {
  let loop: EventLoop
  let server: RawServer
  let tls: TLSContext?
  /// Replaces the whole answer.
  var answer = "ok\n"
  private(set) var relays: [Relay] = []
  private var registration: Registration?

  init(_ loop: EventLoop, tls: TLSContext? = nil) throws {
    self.loop = loop
    self.tls = tls
    server = try RawServer(loop)
    registration = try loop.add(server.descriptor, interest: EPOLLIN.rawValue, handler: self)
  }

  func ready(_ events: UInt32) {
    let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let accepted = accept4(server.descriptor, nil, nil, flags)
    guard accepted >= 0 else { return }
    let relay = Relay(ByteStream(accepted, on: loop, owner: nil), answer)
    relays.append(relay)
    relay.start(tls)
  }

  func stop() {
    if let registration { loop.remove(registration) }
    registration = nil
    for relay in relays { relay.close() }
    relays = []
  }

  func hop(to port: UInt16, tls: TLSContext? = nil) -> ProxyHop {
    ProxyHop(host: "127.0.0.1", port: server.port, tls: tls) { LineTunnel(port: port) }
  }
}

/// One connection through the proxy.
final class Relay: ByteStreamOwner {
  private let client: ByteStream
  private var target: ByteStream?
  private let answer: String
  private var line: [UInt8] = []
  private var toClient = ByteBuffer(bytesMax: 1 << 20)
  private var toTarget = ByteBuffer(bytesMax: 1 << 20)
  private(set) var failure: StreamFailure?

  init(_ client: ByteStream, _ answer: String) {
    self.client = client
    self.answer = answer
    client.transfer(to: self)
  }

  func start(_ tls: TLSContext?) {
    try? client.start()
    if let tls, let session = try? TLSSession(tls, acceptedOn: client.transport) {
      client.secure(session)
    }
  }

  func close() {
    client.close()
    target?.close()
  }

  func streamSecured() {}
  func streamFailed(_ failure: StreamFailure) {
    self.failure = failure
    close()
  }

  func streamReadable() {
    while target == nil {
      var byte: UInt8 = 0
      guard case .bytes = withUnsafeMutableBytes(of: &byte, { client.read(into: $0) }) else { return }
      guard byte == UInt8(ascii: "\n") else {
        line.append(byte)
        continue
      }
      connect(String(decoding: line, as: UTF8.self))
    }
    pump(from: client, to: target, &toTarget)
    pump(from: target, to: client, &toClient)
  }

  func streamWritable() {
    pump(from: client, to: target, &toTarget)
    pump(from: target, to: client, &toClient)
  }

  private func connect(_ line: String) {
    let port = line.split(separator: " ").last.flatMap { UInt16($0) } ?? 0
    guard let address = Resolver.numeric("127.0.0.1", port) else { return }
    let descriptor = Socket.make(family: address.family)
    _ = address.withSockaddr { Glibc.connect(descriptor, $0, address.length) }
    let target = ByteStream(descriptor, on: client.loop, owner: self)
    try? target.start()
    self.target = target
    try? toClient.append(Array(answer.utf8))
  }

  private func pump(from source: ByteStream?, to sink: ByteStream?, _ buffer: inout ByteBuffer) {
    guard let source, let sink else { return }
    while true {
      while !buffer.isEmpty {
        guard case .bytes(let count) = sink.write(buffer.bytes) else { return }
        buffer.consume(count)
      }
      guard let room = try? buffer.reserve(4096), case .bytes(let count) = source.read(into: room)
      else { return }
      buffer.commit(count)
    }
  }
}

/// The client's side of that protocol.
struct LineTunnel: Tunnel {
  let port: UInt16
  private var hasAsked = false

  init(port: UInt16) { self.port = port }

  mutating func next(_ input: inout ByteBuffer, _ output: inout ByteBuffer) -> TunnelStep {
    if !hasAsked {
      hasAsked = true
      try? output.append(Array("to \(port)\n".utf8))
    }
    guard let end = input.bytes.firstIndex(of: UInt8(ascii: "\n")) else { return .needMore }
    let line = String(decoding: input.bytes[..<end], as: UTF8.self)
    input.consume(end + 1)
    return line == "ok" ? .open : .failed(NetworkFailure(.unreachable, "The proxy says: \(line)."))
  }

  mutating func receiveEOF() -> TunnelStep {
    .failed(NetworkFailure(.lost, "The proxy ended the connection."))
  }
}
