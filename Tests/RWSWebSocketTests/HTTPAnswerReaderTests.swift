import Testing

@testable import RWSWebSocket

@Suite struct HTTPAnswerReaderTests {
  private struct Outcome: Equatable {
    var status: Int?
    var body = ""
    var isWhole = false
    var error: HTTPAnswerError?
  }

  private func read(_ text: String, eof: Bool = false) -> Outcome {
    let outcomes = cuts(of: Array(text.utf8)).map { parts -> Outcome in
      var reader = HTTPAnswerReader()
      var outcome = Outcome()
      do throws(HTTPAnswerError) {
        _ = try feed(parts) { input throws(HTTPAnswerError) -> Bool? in
          while true {
            switch try reader.next(&input) {
            case .needMore: return nil
            case .head(let head): outcome.status = head.status
            case .part(let part): outcome.body += String(decoding: part, as: UTF8.self)
            case .end:
              outcome.isWhole = true
              return true
            }
          }
        }
        if eof, !outcome.isWhole {
          try reader.receiveEOF()
          outcome.isWhole = true
        }
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

  @Test("head, then body, by each framing")
  func whole() {
    #expect(
      read("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbodyrest")
        == Outcome(status: 200, body: "body", isWhole: true))
    #expect(
      read("HTTP/1.1 404 \r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n")
        == Outcome(status: 404, body: "body", isWhole: true))
    #expect(read("HTTP/1.1 204 No\r\n\r\n") == Outcome(status: 204, isWhole: true))
    #expect(
      read("HTTP/1.0 500 X\r\n\r\nbody", eof: true) == Outcome(status: 500, body: "body", isWhole: true))
    #expect(read("HTTP/1.0 500 X\r\n\r\nbody") == Outcome(status: 500, body: "body"))
  }

  @Test("interim answers are skipped, but not without end; 101 is none that was asked for")
  func interim() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    #expect(read(early + last) == Outcome(status: 200, isWhole: true))
    #expect(read(String(repeating: early, count: 50) + last).error == .tooManyInterimAnswers)
    #expect(read("HTTP/1.1 101 X\r\nContent-Length: 0\r\n\r\n").error == .switchedProtocols)
  }

  @Test("an end in the middle says where it was")
  func ends() {
    #expect(read("HTTP/1.1 200", eof: true).error == .endOfStream)
    #expect(read("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo", eof: true).error == .body(.truncated))
    #expect(read("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n").error == .body(.invalidContentLength))
  }
}
