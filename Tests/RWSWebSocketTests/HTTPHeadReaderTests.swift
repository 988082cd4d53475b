import Testing

@testable import RWSWebSocket

@Suite struct HTTPHeadReaderTests {
  private enum Outcome<Start: HTTPStartLine>: Equatable {
    case head(HTTPHead<Start>, rest: String)
    case error(HTTPHeadError)
    case incomplete
  }

  /// Reads the text in every cut; all cuts must agree.
  private func read<Start: HTTPStartLine>(
    _ bytes: [UInt8], as _: Start.Type, limits: HTTPHeadReader<Start>.Limits = .init()
  ) -> Outcome<Start> {
    let outcomes = cuts(of: bytes).map { parts -> Outcome<Start> in
      var reader = HTTPHeadReader<Start>(limits: limits)
      do throws(HTTPHeadError) {
        let found = try feed(parts) { input throws(HTTPHeadError) in try reader.next(&input) }
        guard let found else { return .incomplete }
        return .head(found.answer, rest: String(decoding: found.rest, as: UTF8.self))
      } catch {
        return .error(error)
      }
    }
    for outcome in outcomes where outcome != outcomes[0] {
      Issue.record("\(outcome) in one cut, \(outcomes[0]) whole")
    }
    return outcomes[0]
  }

  private func answer(_ text: String) -> Outcome<HTTPStatusLine> {
    read(Array(text.utf8), as: HTTPStatusLine.self)
  }

  private func request(_ text: String) -> Outcome<HTTPRequestLine> {
    read(Array(text.utf8), as: HTTPRequestLine.self)
  }

  @Test("RFC 9112 §4: a status line, fields with blanks trimmed, and the rest left alone")
  func answers() {
    let expected = HTTPResponseHead(
      start: HTTPStatusLine(status: 429, reason: "Too Many Requests"),
      fields: ["Retry-After": "3", "x-request-id": "a b", "Empty": ""])
    #expect(
      answer(
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After:3\r\nx-request-id: \t a b \t\r\nEmpty:\r\n\r\nrest"
      )
        == .head(expected, rest: "rest"))
  }

  @Test("RFC 9112 §4: the reason may be empty, with or without its blank")
  func emptyReason() {
    for text in ["HTTP/1.0 204\r\n\r\n", "HTTP/1.0 204 \r\n\r\n"] {
      #expect(
        answer(text)
          == .head(
            HTTPResponseHead(
              start: HTTPStatusLine(minorVersion: 0, status: 204, reason: ""),
              fields: HTTPFields()), rest: ""))
    }
  }

  @Test("RFC 9112 §3: a request line")
  func requests() {
    #expect(
      request("POST /v1/responses?a=b HTTP/1.1\r\nHost: h\r\n\r\n{}")
        == .head(
          HTTPRequestHead(
            start: HTTPRequestLine(method: "POST", target: "/v1/responses?a=b"),
            fields: ["Host": "h"]), rest: "{}"))
  }

  @Test(
    "RFC 9112 §4: malformed status lines",
    arguments: [
      "HTTP/1.1\r\n", "HTTP/1.1 20\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 2x0 OK\r\n",
      "HTTP/1.1 099 Low\r\n", "HTTP/1.1 600 High\r\n", "HTTP/1.1  200 OK\r\n",
      "HTTP/1.x 200 OK\r\n", "HTTP/1.1\t200 OK\r\n", "HTTP/1.1 200 O\u{1}K\r\n",
      "HTTP/1.1 -20 OK\r\n",
    ])
  func malformedStatusLines(_ text: String) {
    #expect(answer(text + "\r\n") == .error(.malformedStartLine))
  }

  @Test(
    "RFC 9112 §3: malformed request lines",
    arguments: [
      "GET\r\n", "GET /\r\n", "GET  / HTTP/1.1\r\n", "GET / HTTP/1.1 \r\n", "GET /a b HTTP/1.1\r\n",
      "GET / HTTP/2.0\r\n", "GET / http/1.1\r\n", "GET /\u{7F} HTTP/1.1\r\n", "GET /é HTTP/1.1\r\n",
      " GET / HTTP/1.1\r\n", "\r\n",
    ])
  func malformedRequestLines(_ text: String) {
    #expect(request(text + "\r\n") == .error(.malformedStartLine))
  }

  @Test("what is not HTTP is refused at its first wrong byte, without a line break")
  func notHTTP() {
    #expect(answer("SSH-2.0-OpenSSH") == .error(.notHTTP))
    #expect(answer("HTTP/2 200\r\n") == .error(.notHTTP))
    #expect(answer("http/1.1 200 OK\r\n") == .error(.notHTTP))
    #expect(read([0x15, 3, 1, 0, 2], as: HTTPStatusLine.self) == .error(.notHTTP))
    #expect(read([0x16, 3, 1, 0, 200], as: HTTPRequestLine.self) == .error(.notHTTP))
    #expect(answer("HTTP/1") == .incomplete)
  }

  @Test(
    "RFC 9112 §5: malformed fields, with their line",
    arguments: [
      "Name : v", "no colon", ": v", "Na me: v", "N\u{1}: v", "Nämé: v", "A: \u{0}", "A: x\u{7F}",
      "A: x\u{8}y",
    ])
  func malformedFields(_ line: String) {
    #expect(
      answer("HTTP/1.1 200 OK\r\nGood: 1\r\n\(line)\r\n\r\n") == .error(.malformedField(line: 3)))
  }

  @Test("RFC 9112 §5.2: folded fields are refused")
  func folded() {
    #expect(answer("HTTP/1.1 200 OK\r\nA: 1\r\n b\r\n\r\n") == .error(.foldedField(line: 3)))
    #expect(answer("HTTP/1.1 200 OK\r\n\tb: 1\r\n\r\n") == .error(.foldedField(line: 2)))
  }

  @Test("RFC 9112 §2.2: a bare CR or LF is refused")
  func bareLineBreaks() {
    #expect(answer("HTTP/1.1 200 OK\n\n") == .error(.bareLineBreak(line: 1)))
    #expect(answer("HTTP/1.1 200 OK\r\nA: 1\n\r\n") == .error(.bareLineBreak(line: 2)))
    #expect(answer("HTTP/1.1 200 OK\r\nA: 1\rB: 2\r\n\r\n") == .error(.bareLineBreak(line: 2)))
  }

  @Test("a head of the limit passes, one byte more is refused, with or without a line break")
  func sizeLimit() {
    var limits = HTTPHeadReader<HTTPStatusLine>.Limits()
    let head = "HTTP/1.1 200 OK\r\nA: bcd\r\n\r\n"
    limits.bytesMax = head.utf8.count
    guard case .head = read(Array(head.utf8), as: HTTPStatusLine.self, limits: limits) else {
      Issue.record("a head of the limit was refused")
      return
    }
    limits.bytesMax -= 1
    let error = HTTPHeadError.tooLarge(limitBytes: limits.bytesMax)
    #expect(read(Array(head.utf8), as: HTTPStatusLine.self, limits: limits) == .error(error))
    let endless = "HTTP/1.1 200 " + String(repeating: "x", count: 100)
    #expect(read(Array(endless.utf8), as: HTTPStatusLine.self, limits: limits) == .error(error))
  }

  @Test("a hundred fields pass, one more is refused")
  func fieldLimit() {
    let fields = String(repeating: "A: 1\r\n", count: 100)
    guard case .head(let head, _) = answer("HTTP/1.1 200 OK\r\n\(fields)\r\n") else {
      Issue.record("a hundred fields were refused")
      return
    }
    #expect(head.fields.all.count == 100)
    #expect(
      answer("HTTP/1.1 200 OK\r\n\(fields)B: 2\r\n\r\n") == .error(.tooManyFields(limit: 100)))
  }
}
