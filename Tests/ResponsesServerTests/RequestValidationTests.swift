import RWSJSON
import Testing

@testable import ResponsesServer

private let call =
  #"{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"}"#
private let output = #"{"type":"function_call_output","call_id":"c1","output":"ok"}"#
private let user = #"{"role":"user","content":"hi"}"#
private let tools = #""tools":[{"type":"function","name":"f"}]"#

/// What the service rejects, and this server must (protocol: full replay).
@Suite struct RequestValidationTests {
  private func answer(_ input: String, _ more: String = "") throws -> [JSONValue] {
    let script = Script()
    return try script.create(#""store":false,"input":[\#(input)]\#(more)"#)
  }

  @Test("a whole history of calls and outputs is taken")
  func history() throws {
    let frames = try answer([user, call, output, #"{"role":"user","content":"RECALL"}"#]
      .joined(separator: ","))
    #expect(frames.text == "RECALL users=2 tools=1 first=hi")
  }

  @Test("400: a call without output")
  func callWithoutOutput() throws {
    let frames = try answer(user + "," + call)
    #expect(frames.errorStatus == 400)
    #expect(frames.errorMessage == "No tool output found for function call c1.")
  }

  @Test("400: one output of parallel calls is missing in a continuation")
  func missingParallelOutput() throws {
    let script = Script()
    let first = try script.create(#""input":"PARALLEL 3",\#(tools)"#)
    #expect(first.calls.count == 3)
    let ids = first.calls.compactMap { $0["call_id"]?.string }
    #expect(Set(ids).count == 3)
    let outputs = ids.dropLast().map {
      #"{"type":"function_call_output","call_id":"\#($0)","output":"ok"}"#
    }.joined(separator: ",")
    let frames = try script.create(
      #""input":[\#(outputs)],"previous_response_id":"\#(first.responseID)""#)
    #expect(frames.errorMessage == "No tool output found for function call \(ids[2]).")
  }

  @Test("400: an output without call, of another kind of call, or before its call")
  func outputWithoutCall() throws {
    let message = "No tool call found for function call output with call_id c1."
    #expect(try answer(output).errorMessage == message)
    #expect(try answer(output + "," + call).errorMessage == message)
    let custom = #"{"type":"custom_tool_call","call_id":"c1","name":"f","input":""}"#
    #expect(try answer(custom + "," + output).errorMessage == message)
  }

  @Test("400: an item that the parent holds already, by id, as a call or as an output")
  func doubledItem() throws {
    let script = Script()
    let first = try script.create(#""input":"hi","store":true"#)
    let item = first.response?["output"]?.elements.first
    let json = String(decoding: item?.bytes ?? [], as: UTF8.self)
    let id = item?["id"]?.string ?? ""
    let frames = try script.create(
      #""input":[\#(json)],"previous_response_id":"\#(first.responseID)""#)
    #expect(frames.errorMessage.hasPrefix("Duplicate item found with id \(id)."))

    let looped = try script.create(#""input":[\#(user),\#(call),\#(output)],"store":true"#)
    for again in [call + "," + output, output] {
      let frames = try script.create(
        #""input":[\#(again)],"previous_response_id":"\#(looped.responseID)""#)
      #expect(frames.errorMessage.contains("c1. Remove duplicate items"))
    }
  }

  @Test("400: previous_response_id with conversation; 404: a conversation of its own")
  func conversation() throws {
    let both = try answer(user, #","previous_response_id":"resp_1","conversation":"conv_1""#)
    #expect(both.errorCode == "mutually_exclusive_parameters")
    #expect(try answer(user, #","conversation":"conv_1""#).errorStatus == 404)
  }

  @Test(
    "400: fields that only output items have",
    arguments: [
      (#"{"role":"user","content":"hi","created_by":"x"}"#, "input[0].created_by"),
      (
        #"{"type":"function_call","call_id":"c","name":"f","arguments":"","parsed_arguments":{}}"#,
        "input[0].parsed_arguments"
      ),
      (
        #"{"role":"assistant","content":[{"type":"output_text","text":"x","parsed":null}]}"#,
        "input[0].content[0].parsed"
      ),
      (
        #"{"type":"shell_call_output","call_id":"c","output":[{"stdout":"","created_by":"x"}]}"#,
        "input[0].output[0].created_by"
      ),
    ])
  func outputOnlyFields(item: String, param: String) throws {
    let frames = try answer(item)
    #expect(frames.errorCode == "unknown_parameter")
    #expect(frames.error?["error"]?["param"]?.string == param)
  }

  @Test("400: reasoning without what it led to")
  func reasoningIsFollowed() throws {
    let reasoning = #"{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x"}"#
    let message = "Item 'rs_1' of type 'reasoning' was provided without its required following item."
    #expect(try answer(reasoning).errorMessage == message)
    #expect(try answer(reasoning + "," + user).errorMessage == message)
    #expect(try answer([reasoning, call, output].joined(separator: ",")).error == nil)
  }

  @Test("400: an item made after reasoning, replayed with its id and without the reasoning")
  func reasoningIsGone() throws {
    let script = Script()
    let items =
      try script.create(#""input":"REASON","store":false"#).response?["output"]?.elements ?? []
    #expect(items.map(\.type) == ["reasoning", "message"])
    let json = items.map { String(decoding: $0.bytes, as: UTF8.self) }
    let ids = items.map { $0["id"]?.string ?? "" }
    let alone = try script.create(#""store":false,"input":[\#(user),\#(json[1])]"#)
    #expect(
      alone.errorMessage
        == "Item '\(ids[1])' of type 'message' was provided without its required 'reasoning' item:"
        + " '\(ids[0])'.")
    let both = try script.create(#""store":false,"input":[\#(user),\#(json[0]),\#(json[1])]"#)
    #expect(both.error == nil)
  }

  @Test("404 under store:false: reasoning without ciphertext, and a reference to an item")
  func notPersisted() throws {
    let reasoning = #"{"type":"reasoning","id":"rs_1","summary":[]}"#
    let replay = try answer([reasoning, call, output].joined(separator: ","))
    #expect(replay.errorStatus == 404)
    #expect(replay.errorMessage.hasPrefix("Item with id 'rs_1' not found. Items are not persisted"))
    #expect(try answer(#"{"type":"item_reference","id":"msg_1"}"#).errorStatus == 404)
    #expect(try answer(#"{"id":"msg_1"}"#).errorStatus == 404)
  }

  @Test("store:true: items made with store:true can be named")
  func reference() throws {
    let script = Script()
    let first = try script.create(#""input":"one""#)
    let id = first.response?["output"]?.elements.first?["id"]?.string ?? ""
    let frames = try script.create(
      #""input":[{"type":"item_reference","id":"\#(id)"},{"role":"user","content":"RECALL"}]"#)
    #expect(frames.text == "RECALL users=1 tools=0 first=RECALL")
    #expect(
      try script.create(#""input":[{"type":"item_reference","id":"msg_no"}]"#).errorStatus == 404)
  }

  @Test("the ciphertext is left out when include is given without it; then a replay is a 404")
  func includeDecides() throws {
    let script = Script()
    let frames = try script.create(#""input":"REASON","store":false,"include":[]"#)
    let items = frames.response?["output"]?.elements ?? []
    #expect(items.first?["encrypted_content"] == nil)
    let json = items.map { String(decoding: $0.bytes, as: UTF8.self) }.joined(separator: ",")
    #expect(try script.create(#""store":false,"input":[\#(user),\#(json)]"#).errorStatus == 404)
  }

  @Test("a full replay of a chain counts the same tokens as the chain")
  func replayCountsTheSame() throws {
    let script = Script()
    let first = try script.create(#""input":"TOOL LOOP",\#(tools),"store":false"#)
    let id = first.calls.first?["call_id"]?.string ?? ""
    let result = #"{"type":"function_call_output","call_id":"\#(id)","output":"more"}"#
    let chained = try script.create(
      #""input":[\#(result)],\#(tools),"store":false,"previous_response_id":"\#(first.responseID)""#)
    let history = (first.response?["output"]?.elements ?? [])
      .map { String(decoding: $0.bytes, as: UTF8.self) }
    let asked = #"{"role":"user","content":"TOOL LOOP"}"#
    let whole = ([asked] + history + [result]).joined(separator: ", ")
    let replayed = try script.create(#""input":[\#(whole)],\#(tools),"store":false"#)
    #expect(chained.calls.first?["arguments"]?.string == #"{"seen": 1}"#)
    #expect(
      chained.response?["usage"]?["input_tokens"]?.int
        == replayed.response?["usage"]?["input_tokens"]?.int)
  }
}
