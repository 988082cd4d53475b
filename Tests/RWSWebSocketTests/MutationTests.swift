import Testing

@testable import RWSWebSocket

/// Valid traffic with random damage: whatever comes out must be messages or a documented failure, and must
/// not depend on how the input was cut. (A trap would end the whole test run.)
@Suite struct MutationTests {
  private func traffic(_ random: inout SeededRandom, mask: [UInt8]?) -> [UInt8] {
    var bytes: [UInt8] = []
    for _ in 0..<Int.random(in: 1...6, using: &random) {
      let count = [0, 1, 5, 125, 126, 300][Int.random(in: 0..<6, using: &random)]
      let text = Array(String(repeating: "aé世😀", count: count / 10 + 1).utf8)
      switch Int.random(in: 0..<6, using: &random) {
      case 0: bytes += frame(1, text, mask: mask)
      case 1: bytes += frame(2, [UInt8](repeating: 0xFE, count: count), mask: mask)
      case 2:
        bytes += frame(1, Array(text.prefix(3)), fin: false, mask: mask)
        bytes += frame(9, [1, 2], mask: mask)
        bytes += frame(0, Array(text.dropFirst(3)), mask: mask)
      case 3: bytes += frame(9, Array(text.prefix(100)), mask: mask)
      case 4: bytes += frame(0xA, mask: mask)
      default: bytes += frame(8, [0x03, 0xE8] + Array("bye".utf8), mask: mask)
      }
    }
    return bytes
  }

  private func damage(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
    for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
      let at = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<6, using: &random) {
      case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 1: bytes[at] = UInt8.random(in: 0...255, using: &random)
      case 2: bytes.remove(at: at)
      case 3: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
      case 4: bytes.removeSubrange(at...)
      default: bytes.insert(contentsOf: bytes[..<min(at, 8)], at: at)
      }
    }
  }

  @Test("10,000 mutations of valid frames: messages or documented failures, the same for every cut")
  func frames() {
    for seed in UInt64(0)..<10_000 {
      var random = SeededRandom(seed: seed)
      let role: Role = seed % 2 == 0 ? .client : .server
      var bytes = traffic(&random, mask: role == .server ? maskKey : nil)
      damage(&bytes, &random)
      let whole = listen(role: role, messageBytesMax: 2000, parts: [bytes[...]])
      let single = listen(
        role: role, messageBytesMax: 2000, parts: bytes.indices.map { bytes[$0...$0] })
      let cut = listen(
        role: role, messageBytesMax: 2000, parts: randomCut(of: bytes, longest: 50, &random))
      guard whole == single, whole == cut else {
        Issue.record("seed \(seed): \(whole), byte by byte \(single), cut at random \(cut)")
        return
      }
    }
  }

  @Test("10,000 mutations through whole endpoints: closed with a reason, or open and waiting")
  func endpoints() throws {
    for seed in UInt64(0)..<10_000 {
      var random = SeededRandom(seed: seed ^ 0xABCD)
      var endpoint = makeEndpoint(seed % 2 == 0 ? .client : .server, messageBytesMax: 2000)
      var bytes = traffic(&random, mask: seed % 2 == 0 ? nil : maskKey)
      damage(&bytes, &random)
      try endpoint.input.append(bytes)
      _ = endpoint.receiveAll()
      endpoint.receiveEOF()
      guard case .closed = endpoint.state else {
        Issue.record("seed \(seed) is not closed")
        return
      }
      guard endpoint.output.count <= 2048 + 2 * 140 else {
        Issue.record("seed \(seed) left \(endpoint.output.count) bytes")
        return
      }
    }
  }

  @Test(
    "10,000 mutations of HTTP answers and requests: an answer or a documented failure, the same for every cut"
  )
  func heads() throws {
    let url = try WebSocketURL("ws://example.com/v1")
    let answers = [
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
      "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 12\r\n\r\n{\"error\":{}}",
      "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Oops\r\n\r\nuntil the end",
    ]
    let request =
      "GET /v1/responses?x=1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    let handshake = try ClientHandshake(url: url, nonce: Array("the sample nonce".utf8))
    for seed in UInt64(0)..<10_000 {
      var random = SeededRandom(seed: seed)
      var answer = Array(answers[Int(seed % 4)].utf8)
      damage(&answer, &random)
      var asked = Array(request.utf8)
      damage(&asked, &random)
      let results = [[answer[...]], answer.indices.map { answer[$0...$0] }].map {
        finish(handshake, $0)
      }
      let classified = [[asked[...]], asked.indices.map { asked[$0...$0] }].map { parts in
        var server = ServerHandshake()
        return feed(parts) { input -> ServerHandshake.Step? in
          let step = server.next(&input)
          return step == .needMore ? nil : step
        }?.answer
      }
      guard results[0] == results[1], classified[0] == classified[1] else {
        Issue.record("seed \(seed): \(results) \(classified)")
        return
      }
    }
  }

  private func finish(
    _ handshake: ClientHandshake, _ parts: [ArraySlice<UInt8>]
  ) -> ClientHandshake.Step {
    var handshake = handshake
    let answer = feed(parts) { input -> ClientHandshake.Step? in
      let step = handshake.next(&input)
      return step == .needMore ? nil : step
    }
    return answer?.answer ?? handshake.receiveEOF()
  }
}
