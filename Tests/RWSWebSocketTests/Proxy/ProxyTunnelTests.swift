import Testing

@testable import RWSWebSocket

@Suite struct ProxyTunnelTests {
  /// What a tunnel came to: its last step, what it sent, what it left unread.
  private struct Result: Equatable {
    var step: ProxyTunnel.Step
    var sent: [UInt8]
    var rest: [UInt8]
  }

  private func makeTunnel(
    _ proxy: String, to url: String = "wss://api.example/v1", address: String? = nil,
    fields: HTTPFields = HTTPFields()
  ) throws -> ProxyTunnel {
    ProxyTunnel(
      try ProxyURL(proxy), to: try WebSocketURL(url),
      address: address.flatMap { IPAddress($0.utf8) }, fields: fields)
  }

  private func run(_ tunnel: ProxyTunnel, _ parts: [ArraySlice<UInt8>]) throws -> Result {
    var tunnel = tunnel
    var output = ByteBuffer(bytesMax: 4096)
    try tunnel.start(&output)
    let found = try feed(parts) { input throws(BufferFull) -> ProxyTunnel.Step? in
      let step = try tunnel.next(&input, &output)
      return step == .needMore ? nil : step
    }
    let step = found?.answer ?? tunnel.receiveEOF()
    // Asked again, it says the same.
    var input = ByteBuffer(bytesMax: 16)
    #expect(try tunnel.next(&input, &output) == step)
    return Result(step: step, sent: Array(output.bytes), rest: found?.rest ?? [])
  }

  /// Answers in every cut; all must agree.
  private func answer(_ bytes: [UInt8], to tunnel: ProxyTunnel) throws -> Result {
    let results = try cuts(of: bytes).map { try run(tunnel, $0) }
    let first = try #require(results.first)
    for result in results where result != first {
      Issue.record("\(result) in one cut, \(first) whole")
      return first
    }
    return first
  }

  // MARK: HTTP CONNECT

  @Test(
    "RFC 9110 §9.3.6: the request names host and port, with credentials and fields if there are any",
    arguments: [
      ("http://p", "wss://api.example/v1", "api.example:443", ""),
      ("https://p", "ws://h/x", "h:80", ""), ("http://p", "wss://[::1]:8443/x", "[::1]:8443", ""),
      (
        "http://Aladdin:open%20sesame@p", "wss://h", "h:443",
        "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"
      ),
    ])
  func request(_ proxy: String, _ url: String, _ authority: String, _ field: String) throws {
    let tunnel = try makeTunnel(proxy, to: url, fields: ["User-Agent": "x"])
    let result = try run(tunnel, [])
    #expect(
      String(decoding: result.sent, as: UTF8.self)
        == "CONNECT \(authority) HTTP/1.1\r\nHost: \(authority)\r\n\(field)User-Agent: x\r\n\r\n")
  }

  @Test(
    "any 2xx opens the tunnel; what follows the head is the tunnel's, whatever length it claims",
    arguments: [
      "HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n",
      "HTTP/1.1 204 \r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\n\r\n",
    ])
  func open(_ head: String) throws {
    let result = try answer(Array((head + "tunnelled").utf8), to: try makeTunnel("http://p"))
    #expect(result.step == .open)
    #expect(result.rest == Array("tunnelled".utf8))
  }

  @Test(
    "another status is a refusal, with its body; 407 asks for credentials",
    arguments: [
      (407, "Proxy-Authenticate: Basic realm=\"x, y\"\r\n", "put user name and password"),
      (407, "Proxy-Authenticate: Negotiate, NTLM\r\nproxy-authenticate: NTLM\r\n", "asks for Negotiate, NTLM"),
      (407, "", "put user name and password"), (403, "", "rules"), (502, "", "could not reach"),
      (404, "", "allows CONNECT"), (301, "Location: http://x\r\n", "allows CONNECT"),
      (405, "", "may be no proxy"), (101, "", "allows CONNECT"),
    ])
  func refused(_ status: Int, _ fields: String, _ advice: String) throws {
    let body = status == 101 ? "" : "why"
    let text = "HTTP/1.1 \(status) x\r\n\(fields)Content-Length: 3\r\n\r\n\(body)"
    let result = try answer(Array(text.utf8), to: try makeTunnel("http://p"))
    let refusal = try refusal(in: result)
    let failure = ProxyTunnelFailure.refused(refusal)
    #expect(refusal.head.status == status && refusal.body == Array(body.utf8))
    #expect(failure.isUnauthorized == [403, 407].contains(status))
    #expect(failure.answer?.status == status)
    #expect(failure.description.contains(advice) && failure.description.contains("\(status)"))
  }

  @Test("a refusal's body is bounded, and may be cut off")
  func boundedBody() throws {
    let head = "HTTP/1.1 503 x\r\n\r\n"
    let long = Array(head.utf8) + [UInt8](repeating: 0x78, count: 100_000)
    let refusal = try refusal(in: run(try makeTunnel("http://p"), [long[...]]))
    #expect(refusal.body.count == HTTPSwitchReader.bodyBytesMax && refusal.isBodyPartial)
    let cut = try answer(Array((head + "cut").utf8), to: try makeTunnel("http://p"))
    #expect(try self.refusal(in: cut).body == Array("cut".utf8))
  }

  private func refusal(in result: Result) throws -> HTTPRefusal {
    guard case .failed(.refused(let refusal)) = result.step else {
      throw ProxyTunnelFailure.endOfStream
    }
    return refusal
  }

  @Test(
    "what is no answer to CONNECT",
    arguments: [
      ("", .endOfStream), ("HTTP/1.1 200 OK\r\n", .endOfStream), ("\u{5}\u{0}", .notHTTP(.notHTTP)),
      ("SSH-2.0-x\r\n", .notHTTP(.notHTTP)), ("HTTP/1.1 2x0 OK\r\n\r\n", .notHTTP(.malformedStartLine)),
      ("HTTP/1.1 200 OK\n\n", .notHTTP(.bareLineBreak(line: 1))),
      (
        "HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 65536),
        .notHTTP(.tooLarge(limitBytes: 65536))
      ),
      (String(repeating: "HTTP/1.1 102 x\r\n\r\n", count: 11), .tooManyInterimAnswers),
    ] as [(String, ProxyTunnelFailure)])
  func noAnswer(_ text: String, _ expected: ProxyTunnelFailure) throws {
    let result = try answer(Array(text.utf8), to: try makeTunnel("http://p"))
    #expect(result.step == .failed(expected))
    #expect(!expected.description.isEmpty && !expected.isUnauthorized)
  }

  // MARK: SOCKS5

  private static let greeting: [UInt8] = [5, 1, 0]
  private static let name: [UInt8] = [5, 1, 0, 3, 11] + Array("api.example".utf8) + [1, 187]
  private static let reply: [UInt8] = [5, 0, 0, 1, 10, 0, 0, 1, 4, 56]

  @Test(
    "RFC 1928 §4: socks5h sends the name, socks5 the address it was resolved to; a literal is one anyhow",
    arguments: [
      ("socks5h://p", "wss://api.example/v1", nil, name),
      ("socks5://p", "wss://api.example/v1", "192.0.2.1", [5, 1, 0, 1, 192, 0, 2, 1, 1, 187]),
      (
        "socks5://p", "ws://h:8080", "2001:db8::1",
        [5, 1, 0, 4, 0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x1F, 0x90]
      ),
      ("socks5h://p", "ws://127.0.0.1", nil, [5, 1, 0, 1, 127, 0, 0, 1, 0, 80]),
      (
        "socks5h://p", "ws://[::1]", nil,
        [5, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80]
      ),
    ] as [(String, String, String?, [UInt8])])
  func socksRequest(
    _ proxy: String, _ url: String, _ address: String?, _ request: [UInt8]
  ) throws {
    let tunnel = try makeTunnel(proxy, to: url, address: address)
    let result = try answer([5, 0] + Self.reply + [1, 2, 3], to: tunnel)
    #expect(result.step == .open)
    #expect(result.sent == Self.greeting + request)
    #expect(result.rest == [1, 2, 3])
  }

  @Test(
    "RFC 1928 §6: the bound address has any of three forms",
    arguments: [
      [5, 0, 0, 1] + [UInt8](repeating: 9, count: 6), [5, 0, 0, 4] + [UInt8](repeating: 9, count: 18),
      [5, 0, 0, 3, 3, 1, 2, 3, 0, 0], [5, 0, 0, 3, 0, 0, 0], [5, 0, 7, 1, 0, 0, 0, 0, 0, 0],
    ] as [[UInt8]])
  func boundAddress(_ reply: [UInt8]) throws {
    let result = try answer([5, 0] + reply + [42], to: try makeTunnel("socks5h://p"))
    #expect(result.step == .open && result.rest == [42])
  }

  @Test("RFC 1929 §2: user name and password, when the proxy chooses them")
  func socksCredentials() throws {
    let tunnel = try makeTunnel("socks5h://us:pass@p")
    let sent = [5, 2, 0, 2] + [1, 2, 0x75, 0x73, 4, 0x70, 0x61, 0x73, 0x73] + Self.name
    #expect(
      try answer([5, 2, 1, 0] + Self.reply, to: tunnel) == Result(step: .open, sent: sent, rest: []))
    // Chosen not to be asked for: they are not sent.
    #expect(
      try answer([5, 0] + Self.reply, to: tunnel)
        == Result(step: .open, sent: [5, 2, 0, 2] + Self.name, rest: []))
    let long = "socks5h://\(String(repeating: "u", count: 255)):@p"
    let result = try answer([5, 2, 1, 0] + Self.reply, to: try makeTunnel(long))
    #expect(result.step == .open && result.sent.count == 4 + 258 + Self.name.count)
  }

  @Test(
    "what ends a SOCKS5 tunnel before it is open, wherever it is cut",
    arguments: [
      ("socks5h://p", [], .endOfStream), ("socks5h://p", [5], .endOfStream),
      ("socks5h://p", [4, 0], .notSocks5), ("socks5h://p", Array("HTTP/1.1 400".utf8), .notSocks5),
      ("socks5h://p", [5, 0xFF], .credentialsNeeded), ("socks5h://p", [5, 2], .unofferedMethod(2)),
      ("socks5h://p", [5, 1], .unofferedMethod(1)), ("socks5h://u:p@p", [5, 1], .unofferedMethod(1)),
      ("socks5h://u:p@p", [5, 0xFF], .credentialsRefused),
      ("socks5h://u:p@p", [5, 2], .endedAfterCredentials),
      ("socks5h://u:p@p", [5, 2, 1], .endedAfterCredentials),
      ("socks5h://u:p@p", [5, 2, 1, 1], .credentialsRefused),
      ("socks5h://u:p@p", [5, 2, 5, 0xFF], .credentialsRefused),
      ("socks5h://p", [5, 0], .endOfStream), ("socks5h://p", [5, 0, 5, 0, 0, 1, 1], .endOfStream),
      ("socks5h://p", [5, 0, 1], .notSocks5), ("socks5h://p", [5, 0, 5, 0, 0, 2, 0], .notSocks5),
      ("socks5h://p", [5, 0, 5, 3], .socksReply(3)),
      ("socks5h://p", [5, 0, 5, 5, 0, 1, 0, 0, 0, 0, 0, 0], .socksReply(5)),
    ] as [(String, [UInt8], ProxyTunnelFailure)])
  func socksFailure(_ proxy: String, _ bytes: [UInt8], _ expected: ProxyTunnelFailure) throws {
    let result = try answer(bytes, to: try makeTunnel(proxy))
    #expect(result.step == .failed(expected))
    #expect(expected.isUnauthorized == [.credentialsNeeded, .credentialsRefused].contains(expected))
  }

  @Test("RFC 1928 §6: every reply code has words of its own", arguments: 1...255)
  func replyCodes(_ code: UInt8) throws {
    let result = try answer([5, 0, 5, code], to: try makeTunnel("socks5h://p"))
    #expect(result.step == .failed(.socksReply(code)))
    let text = ProxyTunnelFailure.socksReply(code).description
    #expect(text.contains("code \(code) ") && text.contains("without meaning") == (code > 8))
  }

  @Test("10,000 mutated answers lead to documented ends, and to no request twice")
  func mutations() throws {
    var random = SeededRandom(seed: 5)
    let seeds: [(String, [UInt8])] = [
      ("socks5h://u:p@p", [5, 2, 1, 0] + Self.reply), ("socks5h://p", [5, 0] + Self.reply),
      ("http://p", Array("HTTP/1.1 407 x\r\nContent-Length: 3\r\n\r\nabc".utf8)),
      ("http://p", Array("HTTP/1.1 200 x\r\n\r\n".utf8)),
    ]
    for round in 0..<10_000 {
      let (proxy, valid) = seeds[round % seeds.count]
      var bytes = valid
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let at = Int.random(in: bytes.indices, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
        default: if bytes.count > 1 { bytes.remove(at: at) }
        }
      }
      let result = try run(try makeTunnel(proxy), bytes.indices.map { bytes[$0...$0] })
      #expect(result.step != .needMore && result.sent.count <= 128)
    }
  }
}
