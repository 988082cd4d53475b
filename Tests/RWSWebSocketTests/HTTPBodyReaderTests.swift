import Testing

@testable import RWSWebSocket

@Suite struct HTTPBodyReaderTests {
  private struct Outcome: Equatable {
    var body = ""
    var rest = ""
    var ended = false
    var error: HTTPBodyError?
  }

  private func read(_ text: String, _ framing: HTTPBodyFraming, eof: Bool = false) -> Outcome {
    let outcomes = cuts(of: Array(text.utf8)).map { parts -> Outcome in
      var reader = HTTPBodyReader(framing)
      var outcome = Outcome()
      do throws(HTTPBodyError) {
        let rest = try feed(parts) { input throws(HTTPBodyError) -> Bool? in
          while true {
            switch try reader.next(&input) {
            case .needMore: return nil
            case .part(let part): outcome.body += String(decoding: part, as: UTF8.self)
            case .end: return true
            }
          }
        }
        outcome.ended = rest != nil
        outcome.rest = String(decoding: rest?.rest ?? [], as: UTF8.self)
        if eof { try reader.receiveEOF() }
      } catch {
        outcome.error = error
      }
      return outcome
    }
    for outcome in outcomes where outcome != outcomes[0] {
      Issue.record("\(outcome) in one cut, \(outcomes[0]) whole")
    }
    return outcomes[0]
  }

  @Test("RFC 9112 §6.2: a counted body ends at its length")
  func counted() {
    #expect(read("helloREST", .length(5)) == Outcome(body: "hello", rest: "REST", ended: true))
    #expect(read("REST", .length(0)) == Outcome(rest: "REST", ended: true))
    #expect(read("hell", .length(5), eof: true) == Outcome(body: "hell", error: .truncated))
  }

  @Test("RFC 9112 §7.1: chunks, extensions, trailers")
  func chunked() {
    #expect(
      read("5\r\nhello\r\n00A;x=\"y\"\r\n, world 42\r\n0\r\nT: v\r\n\r\nREST", .chunked)
        == Outcome(body: "hello, world 42", rest: "REST", ended: true))
    #expect(read("0\r\n\r\n", .chunked) == Outcome(ended: true))
    #expect(read("5\r\nhel", .chunked, eof: true) == Outcome(body: "hel", error: .truncated))
  }

  @Test(
    "RFC 9112 §7.1: malformed chunks",
    arguments: ["\r\n", "x\r\n", "-5\r\nhello\r\n", "5\nhello", "FFFFFFFFFFFFFFFFF\r\n", ";a\r\n"])
  func malformedChunks(_ text: String) {
    #expect(read(text, .chunked) == Outcome(error: .malformedChunk))
  }

  @Test("RFC 9112 §7.1: a chunk longer than its size is refused")
  func longChunk() {
    #expect(read("2\r\nabc\r\n0\r\n\r\n", .chunked) == Outcome(body: "ab", error: .malformedChunk))
  }

  @Test("endless chunk lines and endless trailers are refused")
  func endless() {
    let line = String(repeating: "0", count: 5000)
    #expect(read(line, .chunked).error == .malformedChunk)
    let trailers = "0\r\n" + String(repeating: "A: b\r\n", count: 200)
    #expect(read(trailers, .chunked).error == .malformedChunk)
  }

  @Test("RFC 9112 §6.3: a body without length lasts until the end of the stream")
  func untilEOF() {
    #expect(read("all of it", .untilEOF, eof: true) == Outcome(body: "all of it"))
  }

  @Test("RFC 9112 §6.3: how the framing is found")
  func framing() throws {
    func answer(_ status: Int, _ fields: HTTPFields) throws(HTTPBodyError) -> HTTPBodyFraming {
      try HTTPBodyFraming(
        of: HTTPHead(start: HTTPStatusLine(status: status, reason: ""), fields: fields))
    }
    #expect(try answer(200, ["Content-Length": "5"]) == .length(5))
    #expect(try answer(200, ["Content-Length": "5, 5", "content-length": "5"]) == .length(5))
    #expect(try answer(200, ["Transfer-Encoding": "Chunked"]) == .chunked)
    #expect(try answer(200, [:]) == .untilEOF)
    #expect(try answer(204, ["Content-Length": "5"]) == .length(0))
    #expect(try answer(304, [:]) == .length(0))
    let request = HTTPHead(start: HTTPRequestLine(method: "GET", target: "/"), fields: [:])
    #expect(try HTTPBodyFraming(of: request) == .length(0))
    for fields: HTTPFields in [
      ["Content-Length": "5", "content-length": "6"], ["Content-Length": "-1"],
      ["Content-Length": ""], ["Content-Length": "99999999999999999999"],
      ["Content-Length": "1", "Transfer-Encoding": "chunked"],
    ] {
      #expect(throws: HTTPBodyError.invalidContentLength) { try answer(200, fields) }
    }
    #expect(throws: HTTPBodyError.unsupportedTransferCoding("gzip, chunked")) {
      try answer(200, ["Transfer-Encoding": "gzip, chunked"])
    }
  }
}
