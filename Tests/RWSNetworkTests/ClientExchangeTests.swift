import RWSWebSocket
import Testing

@testable import RWSNetwork

extension NetworkTests {
  @Suite final class ClientExchangeTests {
    let loop: EventLoop
    let connections: IdleConnections
    private let answer = ExchangeRecorder()
    init() throws {
      loop = try EventLoop()
      connections = IdleConnections(on: loop)
    }

    deinit { connections.close() }

    private func begin(
      _ url: WebSocketURL, body: [UInt8] = Array("{}".utf8), bodyBytesMax: Int = 1 << 20,
      _ configure: (inout ConnectOptions) -> Void = { _ in }
    ) throws -> ClientExchange {
      var options = ConnectOptions(url: url)
      configure(&options)
      let exchange = ClientExchange(
        connecting: options, or: connections, bodyBytesMax: bodyBytesMax, on: loop, delegate: answer)
      #expect(exchange.send(try HTTPRequest("POST", url, body: body)))
      return exchange
    }

    /// What a peer that says `text` and then ends the connection comes to.
    private func exchange(with text: String, bodyBytesMax: Int = 1 << 20) throws {
      let server = try RawServer(loop)
      let exchange = try begin(server.url(), bodyBytesMax: bodyBytesMax)
      let peer = try server.accept()
      _ = try peer.receiveHead()
      try peer.send(text)
      loop.settle()
      peer.close()
      try loop.drive { answer.hasEnded }
      loop.settle()
      #expect(answer.ends == 1)
      exchange.abort()
    }

    @Test("a request and its answer, plain and over TLS", arguments: [false, true])
    func conversation(isSecure: Bool) throws {
      let certificate = try SelfSignedCertificate(names: ["127.0.0.1"])
      let context = try TestCertificates.server(certificate)
      let server = try EchoServer(loop) { if isSecure { $0.tls = context } }
      defer { server.stop() }
      server.answer = { channel, request in
        channel.respond(
          HTTPAnswer(status: 200, fields: HTTPFields(["X-Request-Id": "req_1"]), body: request.body.reversed()))
      }
      // More than the sockets hold at once.
      let body = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0) }
      let trusting = try TestCertificates.client(trusting: certificate)
      let exchange = try begin(server.url(path: "/v1/responses/compact?a=b"), body: body, bodyBytesMax: 3_000_000) {
        $0.tls = isSecure ? trusting : nil
      }
      try loop.drive { answer.hasEnded }
      #expect(answer.said == ["opened", "sent", "head", "whole"])
      #expect(answer.body == body.reversed())
      #expect(answer.heads[0].fields["x-request-id"] == "req_1")
      #expect(answer.info?.tlsVersion == (isSecure ? "TLSv1.3" : nil))
      #expect(server.requests.map(\.target) == ["/v1/responses/compact?a=b"])
      #expect(server.requests[0].method == "POST")
      #expect(server.requests[0].header("Host") == "127.0.0.1:\(server.listener.port)")
      #expect(server.requests[0].header("Connection") == nil)
      #expect(!exchange.send(try HTTPRequest("POST", server.url())))
    }

    @Test("through a proxy, plain or TLS with the target: always by a tunnel", arguments: [false, true])
    func proxied(isSecure: Bool) throws {
      let certificate = try SelfSignedCertificate(names: ["127.0.0.1"])
      let context = try TestCertificates.server(certificate)
      let server = try EchoServer(loop) { if isSecure { $0.tls = context } }
      defer { server.stop() }
      server.answer = { channel, _ in channel.respond(HTTPAnswer(status: 200, json: "{}")) }
      let proxy = try RelayProxy(loop)
      defer { proxy.stop() }
      let hop = try proxy.hop()
      let trusting = try TestCertificates.client(trusting: certificate)
      _ = try begin(server.url()) {
        $0.proxy = hop
        $0.tls = trusting
      }
      try loop.drive { answer.hasEnded }
      #expect(answer.said == ["opened", "sent", "head", "whole"])
      #expect(answer.info?.proxy == "http://127.0.0.1:\(proxy.server.port)")
    }

    @Test("the parts of a chunked body come as they come")
    func parts() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      var channel: ServerChannel?
      server.answer = { accepted, _ in
        channel = accepted
        #expect(accepted.beginAnswer(status: 200, fields: HTTPFields(["Content-Type": "text/event-stream"])))
      }
      _ = try begin(server.url())
      try loop.drive { answer.heads.count == 1 }
      for number in 1...3 {
        channel?.sendPart(Array("part \(number)\n".utf8))
        try loop.drive { answer.parts == number }
        #expect(answer.bursts == number)
      }
      channel?.endAnswer()
      try loop.drive { answer.hasEnded }
      #expect(answer.failure == nil)
      #expect(answer.text == "part 1\npart 2\npart 3\n")
    }

    @Test("interim answers are skipped; a body without length goes to the end of the connection")
    func interim() throws {
      try exchange(
        with: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end")
      #expect(answer.said == ["opened", "sent", "head", "whole"])
      #expect(answer.text == "to the end")
    }

    @Test("any status is an answer; a redirect is not followed", arguments: [307, 404, 503])
    func statuses(status: Int) throws {
      try exchange(with: "HTTP/1.1 \(status) X\r\nLocation: http://elsewhere/\r\nContent-Length: 2\r\n\r\nno")
      #expect(answer.heads.map(\.status) == [status])
      #expect(answer.failure == nil)
      #expect(answer.text == "no")
    }

    @Test(
      "an answer that is cut off is lost",
      arguments: [
        "", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nno",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n",
      ])
    func cutOff(text: String) throws {
      try exchange(with: text)
      #expect(answer.failure?.kind == .lost)
      #expect(answer.failure?.message.contains("before its HTTP answer was whole") == true)
    }

    @Test(
      "what is no HTTP answer is refused",
      arguments: [
        "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nnoo",
      ])
    func unreadable(text: String) throws {
      try exchange(with: text)
      #expect(answer.failure?.kind == .protocolViolation)
    }

    @Test("a body over the limit ends the exchange")
    func tooLarge() throws {
      try exchange(with: "HTTP/1.1 200 OK\r\n\r\n0123456789", bodyBytesMax: 9)
      #expect(answer.failure?.kind == .messageTooLarge)
      #expect(answer.failure?.message.contains("9 bytes") == true)
    }

    @Test("an answer that comes before the request is taken is heard, though the peer reads no more")
    func earlyAnswer() throws {
      let server = try RawServer(loop)
      _ = try begin(server.url(), body: [UInt8](repeating: 65, count: 32 << 20))
      let peer = try server.accept()
      try peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
      try loop.drive { answer.hasEnded }
      #expect(answer.said == ["opened", "head", "whole"])
      #expect(answer.heads[0].status == 413)
    }

    @Test("who cannot be reached fails at its stage")
    func unreachable() throws {
      let port = try RawServer(loop).port
      _ = try begin(WebSocketURL("http://127.0.0.1:\(port)/"))
      try loop.drive { answer.hasEnded }
      #expect(answer.said == ["refused"])
    }

    @Test("TLS with a server that nobody trusts fails, and nothing is sent")
    func untrusted() throws {
      let certificate = try SelfSignedCertificate(names: ["127.0.0.1"])
      let context = try TestCertificates.server(certificate)
      let server = try EchoServer(loop) { $0.tls = context }
      defer { server.stop() }
      let tls = try TLSContext.client()
      _ = try begin(server.url()) { $0.tls = tls }
      try loop.drive { answer.hasEnded }
      #expect(answer.said == ["tlsUntrusted"])
      #expect(server.requests.isEmpty)
    }

    @Test("a peer that takes nothing of the request stalls")
    func stalled() throws {
      let server = try RawServer(loop)
      _ = try begin(server.url(), body: [UInt8](repeating: 65, count: 32 << 20)) {
        $0.liveness.writeStall = 200_000_000
      }
      let peer = try server.accept()
      try loop.drive { answer.hasEnded }
      #expect(answer.said == ["opened", "stalled"])
      peer.close()
    }

    @Test("while reading is paused no part is delivered; what came follows")
    func paused() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      server.answer = { channel, _ in
        _ = channel.beginAnswer(status: 200, fields: HTTPFields())
        for number in 1...3 { channel.sendPart(Array("\(number)".utf8)) }
        channel.endAnswer()
      }
      answer.onPart = { $0.pauseReading() }
      let exchange = try begin(server.url())
      for number in 1...3 {
        try loop.drive { answer.parts == number }
        loop.settle()
        #expect(answer.text == "123".prefix(number))
        exchange.resumeReading()
      }
      try loop.drive { answer.hasEnded }
      #expect(answer.failure == nil)
    }

    @Test("after abort nothing is called, in the middle of a burst too")
    func aborted() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      server.answer = { channel, _ in
        _ = channel.beginAnswer(status: 200, fields: HTTPFields())
        for number in 1...3 { channel.sendPart(Array("\(number)".utf8)) }
      }
      answer.onPart = { $0.abort() }
      _ = try begin(server.url())
      try loop.drive { answer.parts == 1 && server.closedRequests == 1 }
      #expect(answer.text == "1")
      #expect(answer.said == ["opened", "sent", "head"])
    }

    @Test("headers that the exchange itself makes, or that break the head, are refused")
    func badFields() throws {
      let url = try WebSocketURL("http://host/")
      for name in ["Content-Length", "connection", "Transfer-Encoding", "Upgrade"] {
        #expect(throws: UpgradeRequestError.self) { () throws in
          var fields = HTTPFields()
          fields.append(name, "1")
          return try HTTPRequest("POST", url, fields: fields)
         }
      }
      #expect(throws: UpgradeRequestError.self) { try HTTPRequest("POST", url, fields: HTTPFields(["A": "b\r\nC: d"])) }
    }
  }
}
