import Testing

@testable import RWSWebSocket

@Suite struct ClientHandshakeTests {
  /// The nonce of RFC 6455 §1.3, so that its accept key is known from there.
  private static let nonce = Array("the sample nonce".utf8)
  private static let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

  private func makeHandshake(
    _ url: String = "ws://example.com/v1/responses", fields: HTTPFields = HTTPFields(),
    subprotocols: [String] = []
  ) throws -> ClientHandshake {
    try ClientHandshake(
      url: try WebSocketURL(url), nonce: Self.nonce, fields: fields, subprotocols: subprotocols)
  }

  private func request(_ handshake: ClientHandshake) throws -> String {
    var output = ByteBuffer(bytesMax: 1 << 20)
    try handshake.writeRequest(to: &output)
    return String(decoding: output.bytes, as: UTF8.self)
  }

  private func accepted(_ extra: String = "", accept: String = accept) -> String {
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      + "Sec-WebSocket-Accept: \(accept)\r\n\(extra)\r\n"
  }

  /// Answers the handshake in every cut; all cuts must agree. What the handshake left unread is the second
  /// value.
  private func answer(
    _ text: String, to handshake: ClientHandshake
  ) throws -> (step: ClientHandshake.Step, rest: [UInt8]) {
    var results: [(step: ClientHandshake.Step, rest: [UInt8])] = []
    for parts in cuts(of: Array(text.utf8)) {
      var copy = handshake
      let found = feed(parts) { input -> ClientHandshake.Step? in
        let step = copy.next(&input)
        return step == .needMore ? nil : step
      }
      if let found {
        results.append((found.answer, found.rest))
      } else {
        results.append((copy.receiveEOF(), []))
      }
    }
    let first = try #require(results.first)
    for result in results where result.step != first.step || result.rest != first.rest {
      Issue.record("\(result) in one cut, \(first) whole")
    }
    return first
  }

  private func answer(_ text: String) throws -> ClientHandshake.Step {
    try answer(text, to: makeHandshake()).step
  }

  // MARK: The request

  @Test("RFC 6455 §4.1: the request, with the caller's fields at its end")
  func request() throws {
    let handshake = try makeHandshake(
      "wss://[::1]:8443/v1/responses?model=m",
      fields: ["Authorization": "Bearer k", "OpenAI-Organization": "o"], subprotocols: ["a", "b"])
    #expect(
      try request(handshake)
        == "GET /v1/responses?model=m HTTP/1.1\r\nHost: [::1]:8443\r\nUpgrade: websocket\r\n"
        + "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\n"
        + "Authorization: Bearer k\r\nOpenAI-Organization: o\r\n\r\n")
  }

  @Test("a Host given by the caller replaces the URL's")
  func host() throws {
    let text = try request(try makeHandshake(fields: ["host": "other"]))
    #expect(text.contains("\r\nhost: other\r\n") && !text.contains("example.com"))
  }

  @Test(
    "RFC 9110 §5: fields that would break the request are refused, and their values not repeated")
  func injection() throws {
    for name in ["", "A B", "A:", "A\r\nB", "A\u{0}", "é"] {
      #expect(throws: UpgradeRequestError.field(.invalidName(name))) {
        try makeHandshake(fields: [name: "v"])
      }
    }
    for value in ["a\r\nB: c", "a\nb", "a\rb", "a\u{0}b", "\u{7F}", "\u{1B}[0m"] {
      let error = #expect(throws: UpgradeRequestError.self) {
        try makeHandshake(fields: ["Authorization": "SECRET" + value])
      }
      #expect(error == .field(.invalidValue(name: "Authorization")))
      #expect(error?.description.contains("SECRET") == false)
    }
  }

  @Test(
    "fields of the handshake itself cannot be set",
    arguments: [
      "upgrade", "Connection", "sec-websocket-key", "Sec-WebSocket-Version",
      "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Sec-WebSocket-Accept",
      "Content-Length", "Transfer-Encoding",
    ])
  func reservedFields(_ name: String) {
    let error = #expect(throws: UpgradeRequestError.self) { try makeHandshake(fields: [name: "x"]) }
    guard case .reservedField = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test("RFC 6455 §4.1: subprotocols are unique tokens, the nonce is 16 bytes")
  func arguments() throws {
    for names in [["a", "a"], ["a b"], [""], ["a\r\n"]] {
      let error = #expect(throws: UpgradeRequestError.self) {
        try makeHandshake(subprotocols: names)
      }
      guard case .invalidSubprotocol = error else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
    let url = try WebSocketURL("ws://h")
    for count in [0, 15, 17] {
      #expect(throws: UpgradeRequestError.invalidNonce) {
        try ClientHandshake(url: url, nonce: [UInt8](repeating: 1, count: count))
      }
    }
  }

  // MARK: 101

  @Test("RFC 6455 §4.1: a valid answer upgrades, and what follows it are frames")
  func upgraded() throws {
    let result = try answer(accepted("X-Request-Id: r1\r\n") + "\u{1}frames", to: makeHandshake())
    guard case .upgraded(let head) = result.step else {
      Issue.record("\(result.step)")
      return
    }
    #expect(head.fields["x-request-id"] == "r1")
    #expect(result.rest == Array("\u{1}frames".utf8))
  }

  @Test("RFC 6455 §4.1: case and further tokens in Upgrade and Connection do not matter")
  func tokens() throws {
    let step = try answer(
      "HTTP/1.1 101 x\r\nUPGRADE: WebSocket\r\nconnection: keep-alive, uPGRADE\r\n"
        + "sec-websocket-accept: \(Self.accept)\r\n\r\n")
    guard case .upgraded = step else {
      Issue.record("\(step)")
      return
    }
  }

  @Test("RFC 6455 §4.1: a 101 without Upgrade, without Connection, or with the wrong key fails")
  func violations() throws {
    let upgrade = "Upgrade: websocket\r\n"
    let connection = "Connection: Upgrade\r\n"
    let key = "Sec-WebSocket-Accept: \(Self.accept)\r\n"
    func fails(_ fields: String, _ failure: HandshakeFailure) throws {
      #expect(try answer("HTTP/1.1 101 x\r\n\(fields)\r\n") == .failed(failure))
    }
    try fails(connection + key, .missingUpgrade)
    try fails("Upgrade: h2c\r\n" + connection + key, .missingUpgrade)
    try fails(upgrade + key, .missingConnectionUpgrade)
    try fails(upgrade + "Connection: close\r\n" + key, .missingConnectionUpgrade)
    try fails(upgrade + connection, .wrongAcceptKey)
    try fails(
      upgrade + connection + "Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==\r\n", .wrongAcceptKey)
    try fails(upgrade + connection + key + key, .wrongAcceptKey)
    try fails(upgrade + connection + key.uppercased(), .wrongAcceptKey)
  }

  @Test("RFC 6455 §4.1: an extension or subprotocol that was not offered fails")
  func notOffered() throws {
    #expect(
      try answer(accepted("Sec-WebSocket-Extensions: permessage-deflate\r\n"))
        == .failed(.unexpectedExtension("permessage-deflate")))
    #expect(
      try answer(accepted("Sec-WebSocket-Protocol: chat\r\n"))
        == .failed(.unexpectedSubprotocol("chat")))
    let offered = try makeHandshake(subprotocols: ["a", "b"])
    guard case .upgraded = try answer(accepted("Sec-WebSocket-Protocol: b\r\n"), to: offered).step
    else {
      Issue.record("an offered subprotocol was refused")
      return
    }
    #expect(
      try answer(
        accepted("Sec-WebSocket-Protocol: b\r\nSec-WebSocket-Protocol: a\r\n"), to: offered
      ).step == .failed(.unexpectedSubprotocol("b")))
  }

  @Test("RFC 9110 §15.2: interim answers are skipped, but not without end")
  func interim() throws {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    guard case .upgraded = try answer(interim + accepted()) else {
      Issue.record("interim answers were not skipped")
      return
    }
    #expect(
      try answer(String(repeating: interim, count: 6)) == .failed(.tooManyInterimAnswers))
  }

  @Test("an answer that is no HTTP, is too large, or ends too early fails")
  func malformed() throws {
    #expect(try answer("SSH-2.0-x\r\n") == .failed(.head(.notHTTP)))
    #expect(try answer("HTTP/1.1 101\nUpgrade: x") == .failed(.head(.bareLineBreak(line: 1))))
    let large = "HTTP/1.1 101 x\r\nA: " + String(repeating: "x", count: 64 * 1024)
    #expect(try answer(large) == .failed(.head(.tooLarge(limitBytes: 64 * 1024))))
    #expect(try answer(String(accepted().dropLast(1))) == .failed(.endOfStream))
    #expect(try answer("H") == .failed(.endOfStream))
  }

  // MARK: Refusals

  private func refusal(_ text: String) throws -> HTTPRefusal {
    guard case .refused(let refusal) = try answer(text) else {
      Issue.record("not a refusal")
      throw HandshakeFailure.endOfStream
    }
    return refusal
  }

  @Test(
    "an ordinary answer is handed out with status, reason, fields and body, however it is framed")
  func refusals() throws {
    let head = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\n"
    for (text, isPartial) in [
      (head + "Content-Length: 7\r\n\r\n{\"a\":1}ignored", false),
      (head + "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n", false),
      (head + "\r\n{\"a\":1}", false),
      (head + "Content-Length: 9\r\n\r\n{\"a\":1}", true),
      (head + "Transfer-Encoding: chunked\r\n\r\n7\r\n{\"a\":1}XX", true),
    ] {
      let refusal = try refusal(text)
      #expect(refusal.head.status == 429 && refusal.head.reason == "Too Many Requests")
      #expect(refusal.head.fields["retry-after"] == "3")
      #expect(refusal.body == Array("{\"a\":1}".utf8))
      #expect(refusal.isBodyPartial == isPartial)
    }
  }

  @Test("redirects are not followed, contradicting lengths cost the body only")
  func oddRefusals() throws {
    let redirect = try refusal(
      "HTTP/1.1 301 Moved\r\nLocation: wss://x\r\nContent-Length: 0\r\n\r\n")
    #expect(redirect.head.fields["location"] == "wss://x" && redirect.body.isEmpty)
    let odd = try refusal("HTTP/1.1 500 x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
    #expect(odd.head.status == 500 && odd.isBodyPartial)
    #expect(try !refusal("HTTP/1.1 204 x\r\n\r\n").isBodyPartial)
  }

  @Test("of a long body 64 KiB are kept, and the rest is not waited for")
  func longBody() throws {
    let body = String(repeating: "x", count: 64 * 1024)
    #expect(try !refusal("HTTP/1.1 500 x\r\n\r\n" + body).isBodyPartial)
    for framing in ["", "Content-Length: 9999999999\r\n"] {
      let refusal = try refusal("HTTP/1.1 500 x\r\n\(framing)\r\n" + body + "y")
      #expect(refusal.body.count == 64 * 1024 && refusal.isBodyPartial)
    }
  }

  @Test("the answer stays the same when asked again")
  func repeated() throws {
    var handshake = try makeHandshake()
    var input = ByteBuffer(bytesMax: 1000)
    try input.append(accepted() + "frames")
    let first = handshake.next(&input)
    #expect(handshake.next(&input) == first)
    #expect(handshake.receiveEOF() == first)
    expectSame(input.count, 6)
  }
}
