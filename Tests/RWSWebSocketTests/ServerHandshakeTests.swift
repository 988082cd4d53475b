import Testing

@testable import RWSWebSocket

@Suite struct ServerHandshakeTests {
  private static let valid: [(String, String)] = [
    ("Host", "h"), ("Upgrade", "websocket"), ("Connection", "keep-alive, Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13"),
  ]

  /// The valid request with some fields replaced (or left out: nil).
  private func request(
    _ line: String = "GET /v1/responses HTTP/1.1", replacing name: String = "",
    by value: String? = nil,
    adding extra: String = ""
  ) -> String {
    var text = line + "\r\n"
    for (field, original) in Self.valid {
      guard let shown = field == name ? value : original else { continue }
      text += "\(field): \(shown)\r\n"
    }
    return text + extra + "\r\n"
  }

  /// Reads in every cut; all cuts must agree.
  private func classify(_ text: String) throws -> (step: ServerHandshake.Step, rest: [UInt8]) {
    let results = cuts(of: Array(text.utf8)).map { parts in
      var handshake = ServerHandshake()
      return feed(parts) { input -> ServerHandshake.Step? in
        let step = handshake.next(&input)
        return step == .needMore ? nil : step
      }
    }
    let first = try #require(results.first ?? nil)
    for result in results where result?.answer != first.answer || result?.rest != first.rest {
      Issue.record("\(String(describing: result)) in one cut, \(first) whole")
    }
    return (first.answer, first.rest)
  }

  private func status(_ text: String) throws -> Int? {
    guard case .refused(let refusal) = try classify(text).step else { return nil }
    return refusal.status
  }

  private func written(_ write: (inout ByteBuffer) throws -> Void) rethrows -> String {
    var output = ByteBuffer(bytesMax: 10_000)
    try write(&output)
    return String(decoding: output.bytes, as: UTF8.self)
  }

  @Test("RFC 6455 §4.2: a valid request is answered with the key of the specification's example")
  func upgrade() throws {
    let (step, rest) = try classify(
      request(
        adding: "Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Extensions: permessage-deflate\r\n")
        + "frames")
    guard case .upgrade(let upgrade) = step else {
      Issue.record("\(step)")
      return
    }
    #expect(rest == Array("frames".utf8))
    #expect(upgrade.subprotocols == ["a", "b"] && upgrade.head.target == "/v1/responses")
    let answer = try written {
      try upgrade.writeAcceptance(subprotocol: "b", fields: ["X-A": "1"], to: &$0)
    }
    #expect(
      answer
        == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: b\r\n"
        + "X-A: 1\r\n\r\n")
  }

  @Test("client and server shake hands, and the client's first frame may come with its request")
  func bothSides() throws {
    var client = makeEndpoint(.client)
    var server = makeEndpoint(.server)
    var asking = try ClientHandshake(
      url: try WebSocketURL("ws://h/v1"), nonce: [UInt8](repeating: 9, count: 16))
    try asking.writeRequest(to: &client.output)
    try client.sendText("early")
    try client.deliver(to: &server)
    var answering = ServerHandshake()
    guard case .upgrade(let upgrade) = answering.next(&server.input) else {
      Issue.record("no upgrade")
      return
    }
    try upgrade.writeAcceptance(to: &server.output)
    try server.sendText("hello")
    expectSame(server.receiveAll(), [.text("early")])
    try server.deliver(to: &client)
    guard case .upgraded = asking.next(&client.input) else {
      Issue.record("not upgraded")
      return
    }
    expectSame(client.receiveAll(), [.text("hello")])
  }

  @Test("RFC 6455 §4.2.1: what is missing or wrong in an upgrade, and its status")
  func refusedUpgrades() throws {
    #expect(try status(request("POST /v1 HTTP/1.1")) == 405)
    #expect(try status(request("GET /v1 HTTP/1.0")) == 400)
    #expect(try status(request(replacing: "Host")) == 400)
    #expect(try status(request(adding: "host: other\r\n")) == 400)
    #expect(try status(request(replacing: "Connection")) == 400)
    #expect(try status(request(replacing: "Connection", by: "close")) == 400)
    #expect(try status(request(replacing: "Sec-WebSocket-Version")) == 426)
    #expect(try status(request(replacing: "Sec-WebSocket-Version", by: "8")) == 426)
    #expect(try status(request(replacing: "Sec-WebSocket-Key")) == 400)
    #expect(try status(request(replacing: "Sec-WebSocket-Key", by: "c2hvcnQ=")) == 400)
    #expect(
      try status(request(replacing: "Sec-WebSocket-Key", by: "dGhlIHNhbXBsZSBub25jZ!==")) == 400)
    #expect(
      try status(request(adding: "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")) == 400)
    #expect(try status(request(adding: "Content-Length: 5\r\n")) == 400)
    #expect(try status(request(adding: "Transfer-Encoding: chunked\r\n")) == 400)
  }

  @Test("RFC 6455 §4.4: an unsupported version is told the supported one")
  func version() throws {
    guard
      case .refused(let refusal) = try classify(
        request(replacing: "Sec-WebSocket-Version", by: "25")
      ).step
    else {
      Issue.record("not refused")
      return
    }
    #expect(refusal.fields["Sec-WebSocket-Version"] == "13")
  }

  @Test("an ordinary request comes out with method, target, fields and its body's framing")
  func ordinary() throws {
    let post = try classify("POST /v1/responses HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
    guard case .request(let head, let framing) = post.step else {
      Issue.record("\(post.step)")
      return
    }
    #expect(head.method == "POST" && head.target == "/v1/responses" && framing == .length(2))
    #expect(post.rest == Array("{}".utf8))
    guard case .request(_, .length(0)) = try classify(request(replacing: "Upgrade")).step else {
      Issue.record("a GET without Upgrade is an ordinary request")
      return
    }
    guard
      case .request(_, .chunked) = try classify(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      ).step
    else {
      Issue.record("chunked")
      return
    }
  }

  @Test("malformed requests and their status")
  func malformed() throws {
    #expect(try status("GET / HTTP/1.1\r\n\r\n") == 400)
    #expect(try status("GET /\r\n\r\n") == 400)
    #expect(try status("\u{16}\u{3}\u{1}") == 400)
    #expect(try status("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n") == 400)
    #expect(
      try status(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
        == 400)
    #expect(try status("GET / HTTP/1.1\r\n" + String(repeating: "A: b\r\n", count: 101)) == 431)
    #expect(try status("GET /" + String(repeating: "x", count: 64 * 1024)) == 431)
  }

  @Test("an ordinary answer has its length, closes, and cannot be split by its fields")
  func answers() throws {
    let answer = HTTPAnswer(status: 401, fields: ["X-Request-Id": "r"], json: "{\"error\":{}}")
    #expect(
      try written { try answer.write(to: &$0) }
        == "HTTP/1.1 401 Unauthorized\r\nX-Request-Id: r\r\nContent-Type: application/json\r\n"
        + "Content-Length: 12\r\nConnection: close\r\n\r\n{\"error\":{}}")
    let split = HTTPAnswer(status: 400, fields: ["X": "a\r\nB: c"])
    #expect(throws: HTTPWriteError.field(.invalidValue(name: "X"))) {
      try written { try split.write(to: &$0) }
    }
    let large = HTTPAnswer(status: 200, body: [UInt8](repeating: 1, count: 20_000))
    #expect(throws: HTTPWriteError.outputFull(limitBytes: 10_000)) {
      try written { try large.write(to: &$0) }
    }
  }
}
