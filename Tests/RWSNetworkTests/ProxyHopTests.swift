import RWSWebSocket
import Testing

@testable import RWSNetwork

extension NetworkTests {
  @Suite struct ProxyHopTests {
    let loop: EventLoop
    let certificate: SelfSignedCertificate
    init() throws {
      loop = try EventLoop()
      certificate = try SelfSignedCertificate(names: ["127.0.0.1"])
    }

    private func options(_ url: WebSocketURL) throws -> ConnectOptions {
      ConnectOptions(url: url, tls: try TestCertificates.client(trusting: certificate))
    }

    @Test(
      "a conversation through a proxy: plain or TLS with the target, over plain or TLS with the proxy",
      arguments: [false, true], [false, true])
    func conversation(targetTLS: Bool, proxyTLS: Bool) throws {
      let context = try TestCertificates.server(certificate)
      let server = try EchoServer(loop) { if targetTLS { $0.tls = context } }
      defer { server.stop() }
      let proxy = try RelayProxy(loop, tls: proxyTLS ? context : nil)
      defer { proxy.stop() }
      var options = try options(server.url())
      options.proxy = try proxy.hop(tls: proxyTLS ? options.tls : nil)
      let client = Recorder()
      let channel = WebSocketChannel(connecting: options, on: loop, delegate: client)
      try loop.drive { client.info != nil || client.failure != nil }
      #expect(client.failure == nil)
      #expect(client.info?.stream.tlsVersion == (targetTLS ? "TLSv1.3" : nil))
      let scheme = proxyTLS ? "https" : "http"
      #expect(client.info?.stream.proxy == "\(scheme)://127.0.0.1:\(proxy.server.port)")
      #expect(client.info?.stream.peerAddress == "127.0.0.1:\(proxy.server.port)")
      // More than one TLS record of each layer, and more than the sockets hold at once.
      let text = String(repeating: "a message through both layers ", count: 20_000)
      for message in ["first", text, "last"] { channel.send(text: Array(message.utf8), tag: 0) }
      try loop.drive { client.texts.count == 3 }
      #expect(client.strings == ["first", text, "last"])
      channel.close(timeoutNanoseconds: 5_000_000_000)
      try loop.drive { client.failure != nil }
      #expect(client.failure?.kind == .closedLocally)
    }

    @Test("what the proxy says beyond its answer is never taken for the target's bytes")
    func tooMuch() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      let proxy = try RelayProxy(loop)
      defer { proxy.stop() }
      proxy.answer += "HTTP/1.1 101 Switching Protocols\r\n"
      var options = try options(server.url())
      options.proxy = try proxy.hop()
      let client = Recorder()
      let channel = WebSocketChannel(connecting: options, on: loop, delegate: client)
      try loop.drive { client.failure != nil }
      #expect(client.failure?.kind == .proxy(nil))
      #expect(client.failure?.message.contains("the proxy http://127.0.0.1:") == true)
      #expect(!channel.isOpen)
      #expect(server.requests.isEmpty)
    }

    @Test("a proxy that is dead or silent fails the connection at its stage; nobody goes round it")
    func deadProxy() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      let closed = try RawServer(loop).port
      let silent = try RawServer(loop)
      for (port, tls, kind) in [
        (closed, false, NetworkFailure.Kind.refused), (silent.port, false, .timedOut(.tunnelling)),
        (silent.port, true, .timedOut(.securing)),
      ] {
        var options = try options(server.url())
        options.timeouts.tcp = 200_000_000
        options.timeouts.tls = 200_000_000
        let url = "\(tls ? "https" : "http")://127.0.0.1:\(port)"
        options.proxy = try .test(url, tls: options.tls)
        let client = Recorder()
        let channel = WebSocketChannel(connecting: options, on: loop, delegate: client)
        try loop.drive { client.failure != nil }
        #expect(client.failure?.kind == kind)
        #expect(client.failure?.message.contains("the proxy \(url) (option proxy)") == true)
        channel.abort()
      }
      #expect(server.accepted.isEmpty)
    }
  }
}
