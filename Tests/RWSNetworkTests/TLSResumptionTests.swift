import COpenSSL
import RWSWebSocket
import Testing

@testable import RWSNetwork

extension NetworkTests {
  @Suite struct TLSResumptionTests {
    let loop: EventLoop
    let certificate: SelfSignedCertificate
    init() throws {
      loop = try EventLoop()
      certificate = try SelfSignedCertificate(names: ["127.0.0.1", "localhost"])
    }

    /// One connection, to its good end: with a message each way, for tickets come after the handshake.
    private func connect(
      _ server: EchoServer, _ tls: TLSContext, host: String = "127.0.0.1"
    ) throws -> HandshakeInfo {
      let client = Recorder()
      let options = ConnectOptions(url: try server.url(host), tls: tls)
      let channel = WebSocketChannel(connecting: options, on: loop, delegate: client)
      client.onOpen = { $0.send(text: Array("hello".utf8), tag: 0) }
      try loop.drive { !client.texts.isEmpty || client.failure != nil }
      channel.close(timeoutNanoseconds: 5_000_000_000)
      try loop.drive { client.failure != nil }
      #expect(client.failure?.kind == .closedLocally)
      return try #require(client.info)
    }

    @Test("a reconnect resumes the session, with either version of TLS", arguments: [false, true])
    func reconnect(isOld: Bool) throws {
      let context = try TestCertificates.server(certificate)
      if isOld { context.speakTLS12Only() }
      let server = try EchoServer(loop) { $0.tls = context }
      defer { server.stop() }
      let tls = try TestCertificates.client(trusting: certificate)
      var infos: [HandshakeInfo] = []
      for _ in 0..<4 { infos.append(try connect(server, tls)) }
      #expect(infos.map(\.stream.tlsResumed) == [false, true, true, true])
      #expect(infos.map(\.stream.tlsVersion) == Array(repeating: isOld ? "TLSv1.2" : "TLSv1.3", count: 4))
    }

    @Test("RFC 8446 appendix C.4: a TLS 1.3 ticket is used once")
    func singleUse() throws {
      let context = try TestCertificates.server(certificate)
      let server = try EchoServer(loop) { $0.tls = context }
      defer { server.stop() }
      let tls = try TestCertificates.client(trusting: certificate)
      _ = try connect(server, tls)
      #expect(tls.sessions.count == 1)
      let ticket = tls.sessions.take(for: hostAndPort("127.0.0.1", server.listener.port))
      #expect(ticket != nil)
      SSL_SESSION_free(ticket)
      #expect(tls.sessions.count == 0)
      #expect(try !connect(server, tls).stream.tlsResumed)
    }

    @Test("no session crosses to another name, another server, or other TLS settings")
    func apart() throws {
      let context = try TestCertificates.server(certificate)
      let server = try EchoServer(loop) { $0.tls = context }
      let other = try EchoServer(loop) { $0.tls = context }
      defer {
        server.stop()
        other.stop()
      }
      let tls = try TestCertificates.client(trusting: certificate)
      #expect(try !connect(server, tls).stream.tlsResumed)
      #expect(try !connect(server, tls, host: "localhost").stream.tlsResumed)
      #expect(try !connect(other, tls).stream.tlsResumed)
      let apart = try TestCertificates.client(trusting: certificate)
      #expect(try !connect(server, apart).stream.tlsResumed)
      #expect(try connect(server, tls).stream.tlsResumed)
    }

    @Test("a server that does not know the session any more is connected to in full")
    func forgotten() throws {
      let tls = try TestCertificates.client(trusting: certificate)
      let first = try TestCertificates.server(certificate)
      let server = try EchoServer(loop) { $0.tls = first }
      let port = server.listener.port
      #expect(try !connect(server, tls).stream.tlsResumed)
      server.stop()
      // Another context has other keys for its tickets.
      let second = try TestCertificates.server(certificate)
      let again = try EchoServer(loop) {
        $0.tls = second
        $0.port = port
      }
      defer { again.stop() }
      #expect(try !connect(again, tls).stream.tlsResumed)
      #expect(try connect(again, tls).stream.tlsResumed)
    }

    @Test("a failed handshake throws the server's sessions away")
    func failure() throws {
      let tls = try TestCertificates.client(trusting: certificate)
      let context = try TestCertificates.server(certificate)
      let server = try EchoServer(loop) { $0.tls = context }
      let port = server.listener.port
      _ = try connect(server, tls)
      #expect(tls.sessions.count == 1)
      server.stop()
      let stranger = try TestCertificates.server(SelfSignedCertificate(names: ["127.0.0.1"]))
      let again = try EchoServer(loop) {
        $0.tls = stranger
        $0.port = port
      }
      defer { again.stop() }
      for _ in 0..<2 {
        let client = Recorder()
        let options = ConnectOptions(url: try again.url(), tls: tls)
        let channel = WebSocketChannel(connecting: options, on: loop, delegate: client)
        try loop.drive { client.failure != nil }
        #expect(client.failure?.kind == .tlsUntrusted)
        channel.abort()
      }
      #expect(tls.sessions.count == 0)
    }

    @Test("the cache is bounded, per server and as a whole, and frees what it holds")
    func bounded() {
      let cache = TLSSessionCache()
      for server in 0..<100 {
        for _ in 0..<6 {
          if let session = SSL_SESSION_new() { cache.add(session, for: "\(server)") }
        }
        #expect(cache.count <= 64)
      }
      #expect(cache.count == 64)
      // New sessions without an identity cannot be resumed: they are dropped when asked for.
      #expect(cache.take(for: "99") == nil)
      #expect(cache.count == 60)
      cache.removeAll(for: "98")
      #expect(cache.count == 56)
    }
  }
}

extension TLSContext {
  func speakTLS12Only() {
    SSL_CTX_ctrl(pointer, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(TLS1_2_VERSION), nil)
  }
}
