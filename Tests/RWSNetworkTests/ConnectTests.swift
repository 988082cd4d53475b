import CLinux
import Glibc
import RWSWebSocket
import Testing

@testable import RWSNetwork

extension NetworkTests {
  @Suite struct ConnectTests {
    let loop: EventLoop
    let client = Recorder()
    init() throws { loop = try EventLoop() }

    /// Connects and waits for the end.
    private func failure(
      _ url: WebSocketURL, tls: TLSContext? = nil, milliseconds: Int64 = 15_000
    ) throws -> NetworkFailure {
      let channel = connect(url, tls: tls, milliseconds: milliseconds)
      try loop.drive { client.failure != nil }
      #expect(client.failures.count == 1)
      #expect(client.info == nil)
      #expect(!channel.isOpen)
      return try #require(client.failure)
    }

    private func connect(
      _ url: WebSocketURL, tls: TLSContext? = nil, milliseconds: Int64 = 15_000
    ) -> WebSocketChannel {
      var options = ConnectOptions(
        url: url, tls: tls, fields: HTTPFields(["Authorization": "Bearer secret-key"]))
      options.timeouts.overall = milliseconds * 1_000_000
      return WebSocketChannel(connecting: options, on: loop, delegate: client)
    }

    @Test("a port that nobody listens on is refused, and the message names it")
    func refused() throws {
      let port = try RawServer(loop).port
      let failure = try failure(WebSocketURL("ws://127.0.0.1:\(port)/"))
      #expect(failure.kind == .refused)
      #expect(failure.message.contains("127.0.0.1:\(port)"))
    }

    @Test("localhost is resolved on a helper thread; refused on every address")
    func resolves() throws {
      let port = try RawServer(loop).port
      #expect(try failure(WebSocketURL("ws://localhost:\(port)/")).kind == .refused)
    }

    @Test("a name that does not exist is a resolve failure")
    func unresolved() throws {
      let failure = try failure(WebSocketURL("ws://no-such-host.invalid/"))
      // Without a network the resolver itself may take its time.
      #expect(failure.kind == .resolve || failure.kind == .timedOut(.resolving))
      #expect(failure.message.contains("no-such-host.invalid"))
    }

    @Test("the connect timeout says that TCP did not answer")
    func connectTimeout() throws {
      let server = try DeadServer(loop)
      let url = try WebSocketURL("ws://127.0.0.1:\(server.port)/")
      let failure = try failure(url, milliseconds: 300)
      #expect(failure.kind == .timedOut(.connecting))
      #expect(failure.message.contains("300 ms"))
    }

    @Test("the connect timeout says that TLS did not answer")
    func tlsTimeout() throws {
      let server = try RawServer(loop)
      let failure = try failure(server.url(secure: true), tls: .client(), milliseconds: 200)
      #expect(failure.kind == .timedOut(.securing))
    }

    @Test("the connect timeout says that TLS did not answer, also where it had begun to")
    func tlsSilenceAfterHello() throws {
      let server = try RawServer(loop)
      _ = connect(try server.url(secure: true), tls: try .client(), milliseconds: 300)
      let peer = try server.accept()
      try peer.receive { !$0.isEmpty }
      // A handshake record of 122 bytes is announced, the first four of its ServerHello come.
      try peer.send([22, 3, 3, 0, 122, 2, 0, 0, 118])
      try loop.drive { client.failure != nil }
      #expect(client.failure?.kind == .timedOut(.securing))
    }

    @Test("a server that sends one byte at a time, through the upgrade and its first message")
    func drip() throws {
      let server = try RawServer(loop)
      let channel = connect(try server.url())
      defer { channel.abort() }
      let peer = try server.accept()
      let head = try peer.receiveHead()
      let key = try #require(
        head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("sec-websocket-key:") }?
          .split(separator: " ").last)
      let answer =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Accept: \(AcceptKeyForTests.answer(String(key)))\r\n\r\n"
      for byte in Array(answer.utf8) + [0x81, 5] + Array("hello".utf8) { try peer.send([byte]) }
      try loop.drive { client.texts.count == 1 }
      #expect(client.strings == ["hello"] && client.info != nil)
    }

    @Test("the connect timeout says that the upgrade was not answered")
    func upgradeTimeout() throws {
      let server = try RawServer(loop)
      let failure = try failure(server.url(), milliseconds: 200)
      #expect(failure.kind == .timedOut(.upgrading))
      #expect(failure.message.contains("127.0.0.1:\(server.port)"))
    }

    @Test("each stage has its own limit, which its message gives; the others keep theirs")
    func stageLimits() throws {
      let server = try RawServer(loop)
      var options = ConnectOptions(url: try server.url(), tls: try .client())
      for (url, limit, stage) in [
        (try server.url(), \ConnectTimeouts.upgrade, NetworkFailure.Stage.upgrading),
        (try server.url(secure: true), \ConnectTimeouts.tls, .securing),
      ] {
        options.url = url
        options.timeouts = ConnectTimeouts()
        options.timeouts[keyPath: limit] = 150_000_000
        let client = Recorder()
        let channel = WebSocketChannel(connecting: options, on: loop, delegate: client)
        try loop.drive { client.failure != nil }
        #expect(client.failure?.kind == .timedOut(stage))
        #expect(client.failure?.message.contains("after 150 ms, the limit of this stage") == true)
        channel.abort()
      }
    }

    @Test("a refusal whose body never ends is reported with its status at the timeout")
    func slowRefusal() throws {
      let server = try RawServer(loop)
      _ = connect(try server.url(), milliseconds: 300)
      let peer = try server.accept()
      _ = try peer.receiveHead()
      try peer.send("HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\npartial")
      try loop.drive { client.failure != nil }
      guard case .upgradeRefused(let answer) = client.failure?.kind else {
        Issue.record("\(String(describing: client.failure))")
        return
      }
      #expect(answer.status == 503)
      #expect(answer.body == Array("partial".utf8))
    }

    @Test("an HTTP answer instead of the upgrade is handed over with status, fields and body")
    func httpAnswer() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      server.answer = { channel, _ in
        channel.respond(
          HTTPAnswer(
            status: 401, fields: HTTPFields(["x-request-id": "req_1"]),
            json: #"{"error":"secret-key"}"#))
      }
      let failure = try failure(server.url())
      guard case .upgradeRefused(let answer) = failure.kind else {
        Issue.record("\(failure)")
        return
      }
      #expect(answer.status == 401)
      #expect(answer.fields["X-Request-Id"] == "req_1")
      #expect(answer.body == Array(#"{"error":"secret-key"}"#.utf8))
      #expect(!failure.message.contains("secret-key"))
      #expect(failure.message.contains("401"))
    }

    @Test("RFC 6455 §4.1: a wrong Sec-WebSocket-Accept fails the handshake")
    func wrongAccept() throws {
      let server = try RawServer(loop)
      _ = connect(try server.url())
      let peer = try server.accept()
      _ = try peer.receiveHead()
      try peer.send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          + "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n")
      try loop.drive { client.failure != nil }
      #expect(client.failure?.kind == .handshake)
    }

    @Test(
      "a server that speaks no HTTP fails the handshake; one that hangs up, too",
      arguments: ["220 mail ready\r\n", ""])
    func noHTTP(greeting: String) throws {
      let server = try RawServer(loop)
      _ = connect(try server.url())
      let peer = try server.accept()
      _ = try peer.receiveHead()
      try peer.send(greeting)
      peer.close()
      try loop.drive { client.failure != nil }
      #expect(client.failure?.kind == .handshake)
    }

    @Test("a reset while the upgrade is awaited is a lost connection")
    func reset() throws {
      let server = try RawServer(loop)
      _ = connect(try server.url())
      let peer = try server.accept()
      _ = try peer.receiveHead()
      peer.reset()
      try loop.drive { client.failure != nil }
      #expect(client.failure?.kind == .lost)
    }

    @Test("headers that would break the request are refused before anything is sent")
    func badHeader() throws {
      let server = try RawServer(loop)
      var options = ConnectOptions(url: try server.url())
      options.fields = HTTPFields(["X-Test": "a\r\nInjected: secret-key"])
      let channel = WebSocketChannel(connecting: options, on: loop, delegate: client)
      try loop.drive { client.failure != nil }
      #expect(client.failure?.kind == .handshake)
      #expect(client.failure?.message.contains("secret-key") == false)
      #expect(!channel.isOpen)
    }

    @Test("a wss URL without TLS configuration fails, it does not fall back")
    func noTLS() throws {
      #expect(try failure(RawServer(loop).url(secure: true)).kind == .tls)
    }

    @Test(
      "close while connecting reports closedLocally from the loop; abort says nothing",
      arguments: [false, true])
    func giveUp(abort: Bool) throws {
      let server = try RawServer(loop)
      let channel = connect(try server.url())
      loop.settle()
      if abort { channel.abort() } else { channel.close(timeoutNanoseconds: 1) }
      #expect(client.failures.isEmpty)
      loop.settle()
      #expect(client.failures.map(\.kind) == (abort ? [] : [.closedLocally]))
    }

    @Test(
      "abort right after the call, before the loop has run, leaves nothing",
      arguments: ["127.0.0.1", "localhost"])
    func abortAtOnce(host: String) throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      let channel = WebSocketChannel(
        connecting: ConnectOptions(url: try server.url(host)), on: loop, delegate: client)
      channel.abort()
      loop.settle()
      #expect(client.failures.isEmpty)
      #expect(server.accepted.isEmpty)
    }
  }
}
