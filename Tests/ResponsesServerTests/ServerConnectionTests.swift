import RWSJSON
import Testing

@testable import ResponsesServer

@Suite struct ServerConnectionTests {
  @Test("events come in order, numbered from 0, created first and completed last")
  func eventOrder() throws {
    let script = Script()
    let frames = try script.create(#""input":"two words""#)
    #expect(
      frames.types == [
        "response.created", "response.in_progress", "response.output_item.added",
        "response.content_part.added", "response.output_text.delta", "response.output_text.delta",
        "response.output_text.delta", "response.output_text.done", "response.content_part.done",
        "response.output_item.done", "response.completed",
      ])
    #expect(frames.compactMap { $0["sequence_number"]?.int } == Array(0..<11))
    #expect(frames.allSatisfy { $0["stream_id"] == nil })
    #expect(frames.text == "ECHO: two words")
  }

  @Test("a named lane's events carry its name, and errors of its requests too")
  func laneNameIsEchoed() throws {
    let script = Script()
    let frames = try script.create(#""input":"x","stream_id":"a.b-c_1""#)
    #expect(frames.allSatisfy { $0["stream_id"]?.string == "a.b-c_1" })
    let refusal = try script.create(
      #""input":"x","stream_id":"a.b-c_1","previous_response_id":"resp_gone""#)
    #expect(refusal.error?["stream_id"]?.string == "a.b-c_1")
  }

  @Test(
    "a bad lane name is refused without a stream_id",
    arguments: ["\"\"", "\"a b\"", "\"é\"", "7", "\"" + String(repeating: "a", count: 257) + "\""])
  func badLaneName(name: String) throws {
    let script = Script()
    let frames = try script.create(#""input":"x","stream_id":\#(name)"#)
    #expect(frames.errorCode == "invalid_stream_id")
    #expect(frames.error?["stream_id"] == nil)
    #expect(try script.create(#""input":"x""#).text == "ECHO: x")
  }

  @Test("the 33rd named lane is refused; the default lane does not count")
  func laneLimit() throws {
    let script = Script()
    try script.create(#""input":"x""#)
    for number in 0..<32 {
      #expect(try script.create(#""input":"x","stream_id":"l\#(number)""#).text == "ECHO: x")
    }
    let frames = try script.create(#""input":"x","stream_id":"l32""#)
    #expect(frames.errorCode == "websocket_stream_limit_reached")
    #expect(frames.error?["stream_id"]?.string == "l32")
    #expect(try script.create(#""input":"x","stream_id":"l0""#).text == "ECHO: x")
  }

  @Test("requests of one lane run one after the other, first in first out")
  func laneIsFIFO() throws {
    let script = Script()
    try script.create(#""input":"SLOW 100 one""#)
    #expect(try script.create(#""input":"two""#).isEmpty)
    #expect(try script.create(#""input":"three""#).isEmpty)
    #expect(script.connection.nextDeadline != nil)
    let frames = try script.advance(milliseconds: 100)
    let ends = frames.filter { $0.type == "response.completed" }
    #expect(ends.map { [$0].text } == ["ECHO: SLOW 100 one", "ECHO: two", "ECHO: three"])
    let firstEnd = frames.firstIndex { $0.type == "response.completed" } ?? 0
    #expect(!frames[..<firstEnd].contains { $0.type == "response.created" })
    // Nothing is due but the end of the connection's age.
    #expect(script.connection.nextDeadline == 3_600_000_000_000)
  }

  @Test("lanes run concurrently, 16 responses at most; the 17th waits")
  func inFlightLimit() throws {
    let script = Script()
    for number in 0..<16 {
      let frames = try script.create(#""input":"SLOW 100 x","stream_id":"l\#(number)""#)
      #expect(frames.types.first == "response.created")
    }
    #expect(try script.create(#""input":"waits","stream_id":"l16""#).isEmpty)
    let frames = try script.advance(milliseconds: 100)
    #expect(frames.count { $0.type == "response.completed" } == 17)
  }

  @Test("SLOW spreads the events over its time; the terminal event comes last")
  func slow() throws {
    let script = Script()
    let first = try script.create(#""input":"SLOW 1000 a b c d""#)
    #expect(first.types == ["response.created", "response.in_progress"])
    #expect(!(try script.advance(milliseconds: 500)).types.contains("response.completed"))
    #expect(try script.advance(milliseconds: 500).types.last == "response.completed")
  }

  @Test(
    "what is no request is answered with an error, and the connection goes on",
    arguments: [
      ("{", "invalid_json"), ("", "invalid_json"), ("[]", "invalid_type"), ("7", "invalid_type"),
      ("{}", "missing_required_parameter"), (#"{"type":"response.dance"}"#, "invalid_value"),
      (#"{"type":7}"#, "missing_required_parameter"),
      (#"{"type":"response.create"}"#, "missing_required_parameter"),
      (#"{"type":"response.create","model":"rules"}"#, "missing_required_parameter"),
      (#"{"type":"response.create","model":7,"input":"x"}"#, "invalid_type"),
      (#"{"type":"response.create","model":"rules","input":7}"#, "invalid_type"),
      (#"{"type":"response.create","model":"rules","input":[7]}"#, "invalid_type"),
    ])
  func noRequest(text: String, code: String) throws {
    let script = Script()
    let frames = try script.send(text)
    #expect(frames.count == 1)
    #expect(frames.errorCode == code)
    #expect(frames.errorStatus == 400)
    #expect(try script.create(#""input":"x""#).text == "ECHO: x")
  }

  @Test("unknown fields are ignored, or refused if so configured")
  func strictFields() throws {
    let lenient = Script()
    #expect(try lenient.create(#""input":"x","client_metadata":{"a":1}"#).text == "ECHO: x")
    var configuration = ServerConfiguration()
    configuration.strictFields = true
    let strict = Script(configuration)
    let frames = try strict.create(#""input":"x","client_metadata":{"a":1}"#)
    #expect(frames.errorCode == "unknown_parameter")
    #expect(frames.error?["error"]?["param"]?.string == "client_metadata")
    #expect(try strict.create(#""input":"x","stream":true,"include":[]"#).text == "ECHO: x")
  }

  @Test("more input than the window is context_length_exceeded")
  func contextWindow() throws {
    var configuration = ServerConfiguration()
    configuration.contextWindow = 50
    let script = Script(configuration)
    let long = String(repeating: "x", count: 400)
    #expect(try script.create(#""input":"\#(long)""#).errorCode == "context_length_exceeded")
    #expect(try script.create(#""input":"short""#).text == "ECHO: short")
  }

  @Test("an upstream failure comes as response.failed; the connection stays usable")
  func upstreamError() throws {
    let script = Script()
    let frames = try script.create(#""input":"UPSTREAM ERROR""#)
    #expect(frames.types == ["response.created", "response.in_progress", "response.failed"])
    #expect(frames.response?["error"]?["code"]?.string == "server_error")
    #expect(try script.create(#""input":"x""#).text == "ECHO: x")
  }

  @Test("the log holds the whole context of each response, and what was refused")
  func log() throws {
    var configuration = ServerConfiguration()
    configuration.logged = .responses
    let script = Script(configuration)
    let first = try script.create(#""input":"one""#)
    try script.create(#""input":"two","previous_response_id":"\#(first.responseID)""#)
    try script.send("{")
    #expect(script.logs.map { $0["event"]?.string } == ["executed", "executed", "refused"])
    #expect(script.logs[0]["response"]?.string == first.responseID)
    #expect(script.logs[1]["previous"]?.string == first.responseID)
    #expect(script.logs[1]["items"]?.elements.count == 3)
    #expect(script.logs[1]["output"]?.elements.count == 1)
  }
}
