import RWSJSON
import Testing

@testable import RWSProtocol

/// protocol.md, Full replay: what is sent when a chain has to be sent whole.
@Suite struct ReplayTests {
  private let user = #"{"role":"user","content":"hi"}"#

  /// The items of a full replay of one turn with this output.
  private func replay(
    _ output: [String], input: String? = nil, settings: String = #"{"model":"m","store":false}"#,
    then: String? = nil
  ) throws -> [String] {
    let driver = try MachineDriver(settings: settings)
    try driver.start("[\(input ?? user)]")
    driver.open()
    driver.receive(Wire.created("r1"))
    for (index, item) in output.enumerated() {
      driver.receive(#"{"type":"response.output_item.done","output_index":\#(index),"item":\#(item)}"#)
    }
    driver.receive(Wire.completed("r1"))
    driver.lose()
    let next = try driver.start("[\(user)]", overrides: then ?? "")
    driver.open()
    let request = try #require(driver.request(next))
    #expect(request.previousResponseID == nil)
    driver.answer(request, "r2")
    // The body for HTTP differs only in what names it a WebSocket event.
    let stats = try #require(driver.ends[next]?.stats)
    #expect(stats.requestBytes - stats.fullRequestBytes == #""type":"response.create","#.utf8.count)
    return (request.body["input"]?.elements ?? []).map { String(decoding: $0.bytes, as: UTF8.self) }
  }

  @Test("Every item in order, unknown types included, byte for byte")
  func verbatim() throws {
    let items = [
      #"{"type":"vendor_thing","x":1.0,"n":9007199254740993,"s":"a\u0000b"}"#,
      #"{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"abc"}"#,
      #"{"id":"msg_1","type":"message","role":"assistant","status":"completed","phase":"commentary","content":[{"type":"output_text","text":"x","annotations":[]}]}"#,
    ]
    #expect(try replay(items) == [user] + items + [user])
  }

  @Test("Rule 3: a compaction trigger is not replayed")
  func trigger() throws {
    let items = try replay([], input: #"\#(user),{"type":"compaction_trigger"}"#)
    #expect(items == [user, user])
  }

  @Test("Rule 3: replay starts at the latest compaction item of a response")
  func compaction() throws {
    let compaction = #"{"id":"cmp_1","type":"compaction","encrypted_content":"z"}"#
    let message = Wire.message("r1", "after")
    #expect(try replay([Wire.message("r1", "before"), compaction, message]) == [compaction, message, user])
  }

  @Test("Rule 4: what the service refuses in input is taken out, nested too; required nulls stay")
  func cleaned() throws {
    let items = try replay([
      #"{"type":"shell_call_output","created_by":"x","output":[{"stdout":"a","created_by":"y"}],"max":null}"#,
      #"{"type":"image_generation_call","id":"i","result":null,"size":null}"#,
      #"{"type":"code_interpreter_call","code":null,"outputs":null,"error":null}"#,
      #"{"id":"m","type":"message","role":"assistant","content":[{"type":"output_text","text":"t","parsed":{"a":1},"logprobs":null,"annotations":[]}]}"#,
      #"{"type":"function_call_thing","arguments":"{\"a\": null}","parsed_arguments":{"a":null}}"#,
    ])
    #expect(
      items.dropFirst().dropLast() == [
        #"{"type":"shell_call_output","output":[{"stdout":"a"}]}"#,
        #"{"type":"image_generation_call","id":"i","result":null}"#,
        #"{"type":"code_interpreter_call","code":null,"outputs":null}"#,
        #"{"id":"m","type":"message","role":"assistant","content":[{"type":"output_text","text":"t","annotations":[]}]}"#,
        #"{"type":"function_call_thing","arguments":"{\"a\": null}"}"#,
      ])
  }

  @Test("Rule 5: reasoning without its ciphertext is dropped, with the id of the message after it")
  func bareReasoning() throws {
    let items = try replay([
      #"{"id":"rs_1","type":"reasoning","summary":[]}"#, Wire.message("r1", "x"),
    ])
    #expect(items.count == 3 && !items.contains { $0.contains("rs_1") || $0.contains("msg_r1") })
    #expect(items[1].contains(#""text":"x""#))
  }

  @Test("Rule 5: so it is where store was true before and is false now; a server that stores it keeps it")
  func bareReasoningStored() throws {
    // What it continues was stored, so that a lost connection is no reason to replay: a failed one is.
    let output = [#"{"id":"rs_1","type":"reasoning","summary":[]}"#, Wire.message("r1", "x")]
    let driver = try MachineDriver(settings: #"{"model":"m"}"#)
    try driver.start("[\(user)]")
    driver.open()
    driver.receive(Wire.created("r1"))
    for (index, item) in output.enumerated() {
      driver.receive(#"{"type":"response.output_item.done","output_index":\#(index),"item":\#(item)}"#)
    }
    driver.receive(Wire.completed("r1"))
    let stored = try driver.start("[\(user)]")
    driver.receive(Wire.error("previous_response_not_found"))
    #expect(driver.request(stored)?.body["input"]?.elements.count == 4)
    driver.cancel(stored)
    let unstored = try driver.start("[\(user)]", overrides: #"{"store":false}"#)
    driver.open()
    #expect(driver.request(unstored)?.body["input"]?.elements.count == 3)
  }

  @Test("Reasoning without the item that followed it is refused by the service: it is dropped")
  func danglingReasoning() throws {
    let reasoning = #"{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"abc"}"#
    #expect(try replay([Wire.message("r1", "x"), reasoning]) == [user, Wire.message("r1", "x"), user])
  }
}
