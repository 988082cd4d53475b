import Glibc
import RWSWebSocket
import Testing

@testable import RWSNetwork

extension NetworkTests {
  @Suite struct ServerChannelTests {
    let loop: EventLoop
    init() throws { loop = try EventLoop() }

    private func exchange(
      _ request: String, _ configure: (inout ListenOptions) -> Void = { _ in },
      answer: ((ServerChannel, ServerRequest) -> Void)? = nil
    ) throws -> (server: EchoServer, answer: String) {
      let server = try EchoServer(loop, configure)
      server.answer = answer
      let peer = try RawPeer.connect(loop, port: server.listener.port)
      try peer.send(request)
      try peer.receive { _ in peer.sawEnd }
      peer.close()
      try loop.drive { server.closedRequests == 1 }
      server.stop()
      return (server, String(decoding: peer.received, as: UTF8.self))
    }

    @Test("a request with a body comes complete, in one piece or in chunks")
    func body() throws {
      let bodies = [
        "Content-Length: 11\r\n\r\nhello world",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
      ]
      for body in bodies {
        let (server, answer) = try exchange(
          "POST /v1/responses HTTP/1.1\r\nHost: x\r\n\(body)",
          answer: { channel, _ in channel.respond(HTTPAnswer(status: 200, json: "{}")) })
        #expect(server.requests.first?.body == Array("hello world".utf8))
        #expect(server.requests.first?.method == "POST")
        #expect(server.requests.first?.isWebSocketUpgrade == false)
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(answer.hasSuffix("\r\n\r\n{}"))
      }
    }

    @Test(
      "a body over the limit is 413, announced or not",
      arguments: ["Content-Length: 101\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n65\r\n"])
    func bodyTooLarge(framing: String) throws {
      let (server, answer) = try exchange(
        "POST / HTTP/1.1\r\nHost: x\r\n" + framing + String(repeating: "x", count: 101),
        { $0.requestBodyBytes = 100 })
      #expect(answer.hasPrefix("HTTP/1.1 413 "))
      #expect(server.requests.isEmpty)
    }

    @Test("a client that waits for leave to send its body gets it")
    func expectContinue() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      server.answer = { channel, _ in channel.respond(HTTPAnswer(status: 200)) }
      let peer = try RawPeer.connect(loop, port: server.listener.port)
      try peer.send(
        "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
      #expect(try peer.receiveHead().hasPrefix("HTTP/1.1 100 "))
      try peer.send("ok")
      #expect(try peer.receiveHead().hasPrefix("HTTP/1.1 200 "))
    }

    @Test("RFC 9112 §9.3: a kept connection takes the next request, until one asks to close")
    func keptConnection() throws {
      let server = try EchoServer(loop) { $0.keepsConnections = true }
      defer { server.stop() }
      server.answer = { channel, request in
        channel.respond(HTTPAnswer(status: 200, body: Array(request.target.utf8)))
      }
      let peer = try RawPeer.connect(loop, port: server.listener.port)
      try peer.send(
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1"
          + "GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      try peer.receive { _ in peer.sawEnd }
      peer.close()
      try loop.drive { server.closedRequests == 1 }
      #expect(server.requests.map(\.target) == ["/a", "/b", "/c"])
      let answers = String(decoding: peer.received, as: UTF8.self)
      #expect(answers.split(separator: "HTTP/1.1 200 OK").count == 3)
      #expect(answers.split(separator: "Connection: close").count == 2)
      #expect(answers.hasSuffix("/c"))
    }

    @Test("RFC 9112 §7.1: an answer in parts comes in chunks; HTTP/1.0 gets it to the end of the connection")
    func parts() throws {
      let answer = { (channel: ServerChannel, _: ServerRequest) in
        #expect(channel.beginAnswer(status: 200, fields: HTTPFields()))
        #expect(channel.sendPart(Array("hello ".utf8)))
        #expect(channel.sendPart(Array("there".utf8)))
        channel.endAnswer()
        #expect(!channel.sendPart([1]))
      }
      let new = try exchange("GET / HTTP/1.1\r\nHost: x\r\n\r\n", answer: answer).answer
      #expect(new.hasSuffix("\r\n\r\n6\r\nhello \r\n5\r\nthere\r\n0\r\n\r\n"))
      let old = try exchange("GET / HTTP/1.0\r\n\r\n", answer: answer).answer
      #expect(old.hasSuffix("\r\n\r\nhello there"))
    }

    @Test("a client that leaves in the middle of an answer is noticed")
    func leavesInTheMiddle() throws {
      let server = try EchoServer(loop) { $0.keepsConnections = true }
      defer { server.stop() }
      server.answer = { channel, _ in
        _ = channel.beginAnswer(status: 200, fields: HTTPFields())
      }
      let peer = try RawPeer.connect(loop, port: server.listener.port)
      try peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      #expect(try peer.receiveHead().hasPrefix("HTTP/1.1 200 "))
      peer.close()
      try loop.drive { server.closedRequests == 1 }
    }

    @Test("what is no HTTP is 400; an old WebSocket version is 426")
    func malformed() throws {
      #expect(try exchange("\u{16}\u{03}\u{01}\r\n\r\n").answer.hasPrefix("HTTP/1.1 400 "))
      #expect(
        try exchange(
          "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ).answer.hasPrefix("HTTP/1.1 426 "))
    }

    @Test("a client that sends nothing is 408 after the limit, and is dropped")
    func silent() throws {
      let (_, answer) = try exchange("GET / HT", { $0.requestTimeoutNanoseconds = 50_000_000 })
      #expect(answer.hasPrefix("HTTP/1.1 408 "))
    }

    @Test("a client that is silent in the TLS handshake is dropped after the limit")
    func silentTLS() throws {
      let tls = try TestCertificates.server(SelfSignedCertificate(names: ["localhost"]))
      let (server, answer) = try exchange("") {
        $0.tls = tls
        $0.requestTimeoutNanoseconds = 50_000_000
      }
      #expect(answer.isEmpty)
      #expect(server.requests.isEmpty)
    }

    @Test("a client that leaves before its request is whole is forgotten")
    func leaves() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      let peer = try RawPeer.connect(loop, port: server.listener.port)
      try peer.send("GET / HT")
      peer.close()
      try loop.drive { server.closedRequests == 1 }
      #expect(server.requests.isEmpty)
    }

    @Test("the answer may come later; the second is ignored, and abort is silent")
    func later() throws {
      var held: ServerChannel?
      let server = try EchoServer(loop)
      defer { server.stop() }
      server.answer = { channel, _ in held = channel }
      let peer = try RawPeer.connect(loop, port: server.listener.port)
      try peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      try loop.drive { held != nil }
      loop.settle()
      held?.respond(HTTPAnswer(status: 404))
      held?.respond(HTTPAnswer(status: 500))
      #expect(held?.upgrade(delegate: Recorder()) == nil)
      #expect(try peer.receiveHead().hasPrefix("HTTP/1.1 404 "))
      held?.abort()
      loop.settle()
      #expect(server.closedRequests == 0)
    }

    @Test("an answer of 8 MiB reaches a slow reader whole")
    func largeAnswer() throws {
      let body = [UInt8](repeating: UInt8(ascii: "y"), count: 8 << 20)
      let (_, answer) = try exchange(
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        answer: { channel, _ in channel.respond(HTTPAnswer(status: 200, body: body)) })
      #expect(answer.utf8.count > body.count)
      #expect(answer.utf8.suffix(body.count).elementsEqual(body))
    }

    @Test("IPv6 and names can be listened on; a port in use is an error that names it")
    func addresses() throws {
      let server = try EchoServer(loop) { $0.host = "localhost" }
      defer { server.stop() }
      #expect(server.listener.port > 0)
      let port = server.listener.port
      let failure = #expect(throws: NetworkFailure.self) {
        try EchoServer(loop) {
          $0.host = "localhost"
          $0.port = port
        }
      }
      #expect(failure?.message.contains("localhost:\(port)") == true)
    }

    @Test("out of descriptors: accepting rests, goes on when there are some, and nothing spins")
    func outOfDescriptors() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      server.answer = { channel, _ in channel.respond(HTTPAnswer(status: 204)) }
      let peer = try RawPeer.connect(loop, port: server.listener.port)
      try peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      var before = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &before)
      // Nothing new can be opened below the limit.
      var low = before
      low.rlim_cur = 3
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &low)
      for _ in 0..<3 { loop.runOnce(maxWait: 1_000_000) }
      #expect(server.accepted.isEmpty)
      let start = MonotonicClock.now()
      loop.runOnce(maxWait: 5_000_000)
      #expect(MonotonicClock.now() - start >= 5_000_000)
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &before)
      #expect(try peer.receiveHead().hasPrefix("HTTP/1.1 204 "))
    }
  }
}
