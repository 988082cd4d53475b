import CLinux
import Glibc
import RWSWebSocket
import Testing

@testable import RWSNetwork

/// An HTTP proxy for CONNECT to ports of this machine, on the test's loop, with TLS or without.
final class RelayProxy: DescriptorHandler {
  let loop: EventLoop
  let server: RawServer
  let tls: TLSContext?
  /// Replaces the whole answer.
  var answer = "HTTP/1.1 200 OK\r\n\r\n"
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

  /// The way through it; TLS with it if `tls` is given.
  func hop(tls: TLSContext? = nil) throws -> ProxyHop {
    let scheme = tls == nil ? "http" : "https"
    return try .test("\(scheme)://127.0.0.1:\(server.port)", tls: tls)
  }
}

extension ProxyHop {
  static func test(_ url: String, tls: TLSContext? = nil) throws -> ProxyHop {
    ProxyHop(Proxy(try ProxyURL(url), from: .option("proxy")), tls: tls)
  }
}

/// One connection through the proxy.
final class Relay: ByteStreamOwner {
  private let client: ByteStream
  private var target: ByteStream?
  private let answer: String
  private var request: [UInt8] = []
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
      request.append(byte)
      if request.suffix(4).elementsEqual("\r\n\r\n".utf8) { connect() }
    }
    pump(from: client, to: target, &toTarget)
    pump(from: target, to: client, &toClient)
  }

  func streamWritable() {
    pump(from: client, to: target, &toTarget)
    pump(from: target, to: client, &toClient)
  }

  /// To the port in `CONNECT host:port HTTP/1.1`.
  private func connect() {
    let words = String(decoding: request, as: UTF8.self).split(separator: " ")
    let port = words.dropFirst().first?.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
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
