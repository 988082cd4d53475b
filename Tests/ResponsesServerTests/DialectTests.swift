import RWSJSON
import Testing

@testable import ResponsesServer

@Suite struct DialectTests {
  private func script(_ dialect: Dialect) -> Script {
    var configuration = ServerConfiguration()
    configuration.dialect = dialect
    return Script(configuration)
  }

  @Test("every documented dialect has a name, and other names are none")
  func names() {
    for (name, dialect) in Dialect.named { #expect(Dialect(name: name) == dialect) }
    #expect(Dialect(name: "no") == nil)
  }

  @Test("no-lanes: stream_id is ignored, one response runs at a time, nothing is echoed")
  func noLanes() throws {
    let script = script(Dialect([.noLanes]))
    try script.create(#""input":"SLOW 100 one","stream_id":"a""#)
    #expect(try script.create(#""input":"two","stream_id":"b b""#).isEmpty)
    let frames = try script.advance(milliseconds: 100)
    #expect(frames.filter { $0.type == "response.completed" }.count == 2)
    #expect(script.frames.allSatisfy { $0["stream_id"] == nil })
    for number in 0..<40 {
      #expect(try script.create(#""input":"x","stream_id":"l\#(number)""#).text == "ECHO: x")
    }
  }

  @Test("no-echo: lanes run, and no event says whose it is")
  func noEcho() throws {
    let script = script(Dialect([.noEcho]))
    try script.create(#""input":"SLOW 100 one","stream_id":"a""#)
    #expect(try script.create(#""input":"two","stream_id":"b""#).text == "ECHO: two")
    try script.create(#""input":"x","stream_id":"b","previous_response_id":"no""#)
    #expect(script.frames.allSatisfy { $0["stream_id"] == nil })
  }

  @Test("ignore-unknown-ids: the context is gone, and nobody says so")
  func ignoresUnknownIDs() throws {
    let script = script(Dialect([.ignoresUnknownIDs]))
    let frames = try script.create(#""input":"RECALL","previous_response_id":"resp_no""#)
    #expect(frames.text == "RECALL users=1 tools=0 first=RECALL")
  }

  @Test("the shapes of errors")
  func errors() throws {
    let bad = #""input":"x","previous_response_id":"no""#
    let flat = try script(Dialect([.flatErrors])).create(bad)[0]
    #expect(flat["code"]?.string == "previous_response_not_found")
    #expect(flat.type == "error" && flat["error"] == nil && flat["status"] == nil)
    let untyped = try script(Dialect([.untypedErrors])).create(bad)[0]
    #expect(untyped["type"] == nil)
    #expect(untyped["error"]?["code"]?.string == "previous_response_not_found")
    let statusless = try script(Dialect([.statuslessErrors])).create(bad)[0]
    #expect(statusless["status"] == nil && statusless.type == "error")
    let renamed = try script(Dialect([.statusCodeErrors])).create(bad)[0]
    #expect(renamed["status_code"]?.int == 400 && renamed["status"] == nil)
  }

  @Test("sparse objects, no numbers, response.done")
  func sparse() throws {
    let frames = try script(Dialect([.sparse, .noSequenceNumbers, .responseDone]))
      .create(#""input":"x""#)
    #expect(frames.allSatisfy { $0["sequence_number"] == nil })
    #expect(frames.last?.type == "response.done")
    let response = frames.last?["response"]
    #expect(
      response?.members.map(\.key) == [
        "id", "object", "created_at", "status", "output", "usage", "model",
      ])
    #expect(response?["usage"]?.members.map(\.key) == ["input_tokens", "output_tokens"])
  }

  @Test("long-ids: 220 characters, and they can be continued")
  func longIDs() throws {
    let script = script(Dialect([.longIDs]))
    let id = try script.create(#""input":"one""#).responseID
    #expect(id.utf8.count == 220 && id.hasSuffix("=="))
    let next = try script.create(#""input":"RECALL","previous_response_id":"\#(id)""#)
    #expect(next.text == "RECALL users=2 tools=0 first=one")
  }

  @Test("what single dialects refuse")
  func refusals() throws {
    let xai = script(try #require(Dialect(name: "xai")))
    let first = try xai.create(#""input":"one","instructions":"be brief""#).responseID
    let both = try xai.create(
      #""input":"x","instructions":"be brief","previous_response_id":"\#(first)""#)
    #expect(both.last?["error"]?["param"]?.string == "instructions")
    let codex = script(try #require(Dialect(name: "codex")))
    #expect(try codex.create(#""input":"x""#).errorCode == nil)
    #expect(codex.frames.errorMessage == "Store must be set to false")
    let kept = try codex.create(#""input":"x","store":false"#)
    #expect(kept.types.first == "codex.rate_limits" && kept.text == "ECHO: x")
    let open = script(try #require(Dialect(name: "open-responses")))
    #expect(try open.create(#""input":"x","generate":false"#).errorCode == "unknown_parameter")
  }

  @Test("codex: a message of more than 16 MiB closes the connection with 1009")
  func messageLimit() throws {
    var dialect = try #require(Dialect(name: "codex"))
    #expect(dialect.messageBytesMax == 16 << 20)
    dialect.messageBytesMax = 100
    let script = script(dialect)
    try script.create(#""input":"\#(String(repeating: "x", count: 100))""#)
    #expect(script.closeCode == 1009 && script.frames.isEmpty)
  }

  @Test("at the age limit: an error frame, then the close; xAI only closes")
  func age() throws {
    var configuration = ServerConfiguration()
    configuration.maxAgeNanoseconds = 1_000_000_000
    let service = Script(configuration)
    try service.create(#""input":"SLOW 5000 x""#)
    #expect(service.connection.nextDeadline ?? .max <= 1_000_000_000)
    let end = try service.advance(milliseconds: 1000)
    #expect(end.errorCode == "websocket_connection_limit_reached" && end.errorStatus == 400)
    #expect(service.closeCode == 1000)
    #expect(try service.create(#""input":"x""#).isEmpty)
    configuration.dialect = try #require(Dialect(name: "xai"))
    let xai = Script(configuration)
    #expect(try xai.advance(milliseconds: 1000).isEmpty && xai.closeCode == 1000)
  }
}
