import RWSJSON
import Testing

@testable import ResponsesServer

@Suite struct SteeringTests {
  private let tools = #""tools":[{"type":"function","name":"f","parameters":{}}]"#

  /// Begins a response whose events take a second, and returns its id.
  private func begin(
    _ script: Script, _ input: String = "SLOW 1000 COMMENT x", _ more: String = "",
    model: String = "gpt-6-rules"
  ) throws -> String {
    let frames = try script.create(#""input":"\#(input)","store":false\#(more)"#, model: model)
    return frames.first?["response"]?["id"]?.string ?? ""
  }

  private func steer(_ script: Script, _ id: String, _ input: String = #""left""#) throws
    -> [JSONValue]
  {
    try script.send(
      #"{"type":"response.steer","previous_response_id":"\#(id)","input":\#(input)}"#)
  }

  private func failure(_ frames: [JSONValue]) -> String? {
    frames.last { $0.type == "response.steer.failed" }?["error"]?["code"]?.string
  }

  @Test("an accepted steer cuts the response after the item under way; a successor follows by itself")
  func steered() throws {
    let script = Script()
    let id = try begin(script, "SLOW 1000 COMMENT x", #","stream_id":"a","metadata":{"k":"v"}"#)
    try script.advance(milliseconds: 300)
    let accepted = try steer(script, id)
    #expect(accepted.types == ["response.steer.accepted"])
    #expect(accepted[0]["steer"]?["previous_response_id"]?.string == id)
    #expect(accepted[0]["stream_id"]?.string == "a")
    let rest = try script.advance(milliseconds: 5000)
    let end = try #require(rest.first { $0.type == "response.incomplete" })
    #expect(end["response"]?["incomplete_details"]?["reason"]?.string == "steered")
    #expect(end["response"]?["output"]?.elements.count == 1)
    let successor = try #require(rest.first { $0.type == "response.created" })
    #expect(successor["response"]?["previous_response_id"]?.string == id)
    #expect(successor["response"]?["metadata"]?["k"]?.string == "v")
    #expect(rest.allSatisfy { $0["stream_id"]?.string == "a" })
    #expect(rest.text == "ECHO: left")
    let numbers = script.frames.prefix { $0.type != "response.incomplete" }
      .compactMap { $0["sequence_number"]?.int }
    #expect(numbers == Array(0..<Int64(numbers.count)))
  }

  @Test("a steer before the first item leaves an empty incomplete response")
  func steeredAtOnce() throws {
    let script = Script()
    let id = try begin(script)
    let frames = try steer(script, id) + script.advance(milliseconds: 0)
    #expect(frames.types.contains("response.incomplete"))
    #expect(
      frames.first { $0.type == "response.incomplete" }?["response"]?["output"]?.elements.isEmpty
        == true)
  }

  @Test("in the last item the response completes, and the successor follows all the same")
  func completesAndGoesOn() throws {
    let script = Script()
    let id = try begin(script, "SLOW 1000 a b c d")
    try script.advance(milliseconds: 500)
    #expect(try steer(script, id).types == ["response.steer.accepted"])
    let rest = try script.advance(milliseconds: 500)
    #expect(rest.types.filter { $0 == "response.completed" }.count == 2)
    #expect(rest.text == "ECHO: left")
    let after = try script.create(
      #""input":"RECALL","store":false,"previous_response_id":"\#(rest.responseID)""#)
    #expect(after.text == "RECALL users=3 tools=0 first=SLOW 1000 a b c d")
  }

  @Test("calls must be answered first: pending names them, and the next request carries the steer")
  func pending() throws {
    let script = Script()
    let id = try begin(script, "SLOW 100 PARALLEL 2", ",\(tools)")
    try script.advance(milliseconds: 50)
    #expect(try steer(script, id).types == ["response.steer.accepted"])
    let rest = try script.advance(milliseconds: 50)
    #expect(rest.types.suffix(2) == ["response.completed", "response.steer.pending"])
    let pending = rest[rest.count - 1]
    #expect(pending["reason"]?.string == "waiting_for_required_input")
    let stubs = pending["required_input"]?.elements ?? []
    #expect(stubs.map { $0["name"]?.string } == ["f", "f"])
    #expect(stubs.map { $0["type"]?.string } == ["function_call_output", "function_call_output"])
    let outputs = stubs.map {
      #"{"type":"function_call_output","call_id":"\#($0["call_id"]?.string ?? "")","output":"x"}"#
    }.joined(separator: ",")
    // A user text of its own, so that no tool is called again.
    let next = try script.create(
      #""input":[\#(outputs),{"role":"user","content":"RECALL"}],"store":false,"previous_response_id":"\#(id)""#,
      model: "gpt-6-rules")
    #expect(next.text == "RECALL users=3 tools=2 first=SLOW 100 PARALLEL 2")
  }

  @Test("a lane that goes on elsewhere gives the pending input back")
  func pendingIsGivenBack() throws {
    let script = Script()
    let id = try begin(script, "SLOW 100 TOOL LOOP", ",\(tools)")
    try script.advance(milliseconds: 50)
    _ = try steer(script, id)
    try script.advance(milliseconds: 50)
    let frames = try script.create(#""input":"other","store":false"#)
    #expect(failure(frames) == "successor_creation_failed")
    let failed = try #require(frames.first { $0.type == "response.steer.failed" })
    #expect(failed["steer"]?["id"]?.string?.hasPrefix("steer_") == true)
    #expect(failed["steer"]?["input"]?.string == "left")
  }

  @Test("a successor that cannot be made gives the input back")
  func successorFails() throws {
    var configuration = ServerConfiguration()
    configuration.contextWindow = 100
    let script = Script(configuration)
    let id = try begin(script, "SLOW 100 x")
    try script.advance(milliseconds: 50)
    _ = try steer(script, id, "\"" + String(repeating: "y", count: 1000) + "\"")
    #expect(failure(try script.advance(milliseconds: 50)) == "successor_creation_failed")
    #expect(try script.create(#""input":"x""#).text == "ECHO: x")
  }

  @Test("a response that fails gives the input back")
  func responseFails() throws {
    let script = Script()
    let id = try begin(script, "SLOW 100 UPSTREAM ERROR")
    _ = try steer(script, id)
    #expect(failure(try script.advance(milliseconds: 100)) == "response_not_active")
  }

  @Test("why a steer fails at once")
  func refusals() throws {
    let script = Script()
    #expect(failure(try steer(script, "resp_no")) == "response_not_found")
    let done = try script.create(#""input":"x""#, model: "gpt-6-rules").responseID
    #expect(failure(try steer(script, done)) == "response_already_completed")
    let failed = try script.create(#""input":"UPSTREAM ERROR""#).responseID
    #expect(failure(try steer(script, failed)) == "response_not_active")

    let other = try begin(script, "SLOW 100 x", #","stream_id":"b""#, model: "rules")
    #expect(failure(try steer(script, other)) == "steering_not_supported")
    let compacted = try begin(
      script, "SLOW 100 x",
      #","stream_id":"c","context_management":[{"type":"compaction","compact_threshold":9}]"#)
    #expect(failure(try steer(script, compacted)) == "steering_not_supported")

    let id = try begin(script, "SLOW 1000 a b c")
    try script.advance(milliseconds: 500)
    for input in [
      "7", "[]", "\"\"", #"[{"role":"assistant","content":"x"}]"#,
      #"[{"role":"user","content":"x","id":"msg_1"}]"#,
      #"[{"type":"function_call_output","call_id":"c","output":""}]"#,
      #"[{"role":"user","content":[{"type":"output_text","text":"x"}]}]"#,
    ] {
      #expect(failure(try steer(script, id, input)) == "invalid_input", "\(input)")
    }
    let extra = try script.send(
      #"{"type":"response.steer","previous_response_id":"\#(id)","input":"x","stream_id":"a"}"#)
    #expect(failure(extra) == "invalid_input")
    #expect(try steer(script, id).types == ["response.steer.accepted"])
  }

  @Test("too many steers for one response")
  func tooMany() throws {
    var configuration = ServerConfiguration()
    configuration.pendingSteers = 2
    let script = Script(configuration)
    let id = try begin(script, "SLOW 1000 a b c")
    try script.advance(milliseconds: 500)
    for _ in 0..<2 { #expect(try steer(script, id).types == ["response.steer.accepted"]) }
    #expect(failure(try steer(script, id)) == "too_many_pending_steers")
    let rest = try script.advance(milliseconds: 500)
    #expect(rest.text == "ECHO: left")
  }

  @Test("the Codex route's interrupt ends the response with what is whole of it")
  func interrupt() throws {
    var configuration = ServerConfiguration()
    configuration.dialect = try #require(Dialect(name: "codex"))
    let script = Script(configuration)
    let frames = try script.create(#""input":"SLOW 1000 COMMENT x","store":false"#)
    let id = frames.first { $0.type == "response.created" }?["response"]?["id"]?.string ?? ""
    try script.advance(milliseconds: 300)
    let rest = try script.send(#"{"type":"response.interrupt","response_id":"\#(id)"}"#)
    #expect(rest.types == ["response.incomplete"])
    #expect(rest[0]["response"]?["incomplete_details"]?["reason"]?.string == "interrupted")
  }
}
