import RWSWebSocket
import Testing

@testable import RWSNetwork

extension NetworkTests {
  @Suite struct EchoTests {
    let loop: EventLoop
    init() throws { loop = try EventLoop() }

    @Test("messages go to the server and back, over TCP and over TLS", arguments: [false, true])
    func echo(secure: Bool) throws {
      let certificate = try SelfSignedCertificate(names: ["127.0.0.1", "localhost"])
      let server = try EchoServer(loop) {
        if secure { $0.tls = try? TestCertificates.server(certificate) }
      }
      defer { server.stop() }
      let client = Recorder()
      let tls = secure ? try TestCertificates.client(trusting: certificate) : nil
      let channel = WebSocketChannel(
        connecting: ConnectOptions(
          url: try server.url(), tls: tls, fields: HTTPFields(["X-Test": "yes"])),
        on: loop, delegate: client)
      client.onOpen = { channel in
        for tag in 1...3 { channel.send(text: Array("message \(tag)".utf8), tag: UInt64(tag)) }
      }
      try loop.drive { client.texts.count == 3 || client.failure != nil }
      #expect(client.failure == nil, "\(client.failure?.message ?? "")")
      #expect(client.strings == ["message 1", "message 2", "message 3"])
      #expect(client.flushed == [1, 2, 3])
      #expect(client.info?.status == 101)
      #expect(client.info?.stream.tlsVersion == (secure ? "TLSv1.3" : nil))
      #expect(server.requests.first?.header("x-test") == "yes")
      #expect(server.requests.first?.target == "/v1/responses")
      channel.close(timeoutNanoseconds: 5_000_000_000)
      try loop.drive { client.failure != nil && server.connections[0].recorder.failure != nil }
      #expect(client.failure?.kind == .closedLocally)
      #expect(client.failure?.closeCode == 1000)
      #expect(server.connections[0].recorder.failure?.kind == .peerClosed)
      #expect(server.connections[0].recorder.failure?.closeCode == 1000)
    }

    @Test("RFC 7692: compression is agreed on by default, and messages of all sizes come back")
    func compressed() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      let client = Recorder()
      let channel = WebSocketChannel(
        connecting: ConnectOptions(url: try server.url()), on: loop, delegate: client)
      let messages = [10, 1023, 1024, 70_000, 3 << 20].map { size in
        (0..<size).map { UInt8(ascii: "a") + UInt8($0 &* $0 % 26) }
      }
      client.onOpen = { channel in
        for message in messages { channel.send(text: message, tag: UInt64(message.count)) }
      }
      try loop.drive { client.texts.count == messages.count || client.failure != nil }
      #expect(client.info?.deflate == .serverPreference)
      #expect(client.texts == messages)
      #expect(client.flushed == messages.map { UInt64($0.count) })
      channel.abort()
    }

    @Test("the compressor lasts from one turn of a run to the next, and not on a connection at rest")
    func compressorAtRest() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      let message = [UInt8](repeating: UInt8(ascii: "a"), count: 70_000)
      for rest: Int64 in [1_000_000, .max / 4] {
        var options = ConnectOptions(url: try server.url())
        options.limits.compressorRest = rest
        let client = Recorder()
        let channel = WebSocketChannel(connecting: options, on: loop, delegate: client)
        try loop.drive { client.info != nil || client.failure != nil }
        for turn in 1...3 {
          #expect(channel.send(text: message, tag: 1))
          #expect(channel.holdsCompressor)
          try loop.drive { client.texts.count == turn || client.failure != nil }
          if rest == .max / 4 {
            #expect(channel.holdsCompressor)
          } else {
            try loop.drive { !channel.holdsCompressor || client.failure != nil }
          }
        }
        #expect(client.texts == [message, message, message])
        channel.abort()
      }
    }
  }
}
