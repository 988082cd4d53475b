import RWSJSON
import Testing

@testable import ResponsesServer

@Suite struct CompactionTests {
  private let long = String(repeating: "word ", count: 100)
  private let compacting =
    #""store":false,"context_management":[{"type":"compaction","compact_threshold":150}]"#

  @Test("beyond the threshold a compaction item comes first, and stands for what was before it")
  func threshold() throws {
    let script = Script()
    let first = try script.create(#""input":"\#(long)",\#(compacting)"#)
    #expect(first.response?["output"]?.elements.map(\.type) == ["message"])
    let second = try script.create(
      #""input":"\#(long)",\#(compacting),"previous_response_id":"\#(first.responseID)""#)
    #expect(second.response?["output"]?.elements.map(\.type) == ["compaction", "message"])
    #expect(second.types.contains("response.compaction.compacting"))
    let third = try script.create(
      #""input":"RECALL",\#(compacting),"previous_response_id":"\#(second.responseID)""#)
    #expect(third.text.hasPrefix("RECALL users=3 tools=0 first=word word"))
    let tokens = { (frames: [JSONValue]) in frames.response?["usage"]?["input_tokens"]?.int ?? 0 }
    #expect(tokens(third) < tokens(second))
  }

  @Test("a full replay may leave out what came before the compaction item, on any connection")
  func replay() throws {
    let script = Script()
    let first = try script.create(#""input":"one \#(long)",\#(compacting)"#)
    let second = try script.create(
      #""input":"two \#(long)",\#(compacting),"previous_response_id":"\#(first.responseID)""#)
    let items = (second.response?["output"]?.elements ?? [])
      .map { String(decoding: $0.bytes, as: UTF8.self) }.joined(separator: ",")
    let next = #"{"role":"user","content":"RECALL"}"#
    let trimmed = try Script(seed: 2).create(#""store":false,"input":[\#(items),\#(next)]"#)
    #expect(trimmed.text.hasPrefix("RECALL users=3 tools=0 first=one word"))
    let whole = try Script(seed: 3).create(
      #""store":false,"input":[{"role":"user","content":"one"},{"role":"user","content":"two"},\#(items),\#(next)]"#
    )
    #expect(whole.text == trimmed.text)
  }

  @Test("a trigger at the end of the input compacts, and generates nothing else")
  func trigger() throws {
    let script = Script()
    let first = try script.create(#""input":"one","store":false"#)
    let chained = #""store":false,"previous_response_id":"\#(first.responseID)""#
    let compacted = try script.create(#""input":[{"type":"compaction_trigger"}],\#(chained)"#)
    #expect(compacted.response?["output"]?.elements.map(\.type) == ["compaction"])
    let next = try script.create(
      #""input":"RECALL","store":false,"previous_response_id":"\#(compacted.responseID)""#)
    #expect(next.text == "RECALL users=2 tools=0 first=one")
    let misplaced = try script.create(
      #""input":[{"type":"compaction_trigger"},{"role":"user","content":"x"}]"#)
    #expect(misplaced.errorStatus == 400)
  }

  @Test("a compaction item that this server did not make is refused")
  func foreign() throws {
    for text in ["", "x", "gAAAAACmp_", "gAAAAACmp_zz", "gAAAAACmp_7b7d"] {
      let frames = try Script().create(
        #""input":[{"type":"compaction","encrypted_content":"\#(text)"}]"#)
      #expect(frames.errorCode == "invalid_encrypted_content", "\(text)")
    }
  }

  @Test("reasoning is withheld where model, organisation, end user or prefix are others, and the response says so")
  func transformations() throws {
    let script = Script()
    let asked = #"{"role":"user","content":"REASON"}"#
    let first = try script.create(#""input":[\#(asked)],"store":false"#)
    let items = (first.response?["output"]?.elements ?? [])
      .map { String(decoding: $0.bytes, as: UTF8.self) }.joined(separator: ",")
    let next = #"{"role":"user","content":"RECALL"}"#
    func reasons(
      _ prefix: String, _ more: String = "", model: String = "rules", organization: String = ""
    ) throws -> [String] {
      let frames = try Script(seed: 2, organization: organization).create(
        #""store":false,"input":[\#(prefix),\#(items),\#(next)]\#(more)"#, model: model)
      #expect(frames.text.hasPrefix("RECALL users=2"))
      return (frames.response?["input_transformations"]?.elements ?? [])
        .compactMap { $0["reason"]?.string }
    }
    #expect(try reasons(asked) == [])
    #expect(try reasons(#"{"role":"user","content":"REASONS"}"#) == ["prefix_mismatch"])
    #expect(try reasons(asked, model: "other") == ["model_mismatch"])
    #expect(try reasons(asked, organization: "org_2") == ["organization_mismatch"])
    #expect(try reasons(asked, #","safety_identifier":"u""#) == ["end_user_mismatch"])
  }
}
