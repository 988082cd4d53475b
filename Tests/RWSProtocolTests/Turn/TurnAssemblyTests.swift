import Testing

@testable import RWSProtocol

@Suite struct TurnAssemblyTests {
  private func assemble(_ events: [String]) throws -> TurnAssembly {
    let batch = EventBatch(capacity: 1024)
    for event in events {
      try Array(event.utf8).withUnsafeBytes { batch.append($0, try EventScanner.scan($0)) }
    }
    var assembly = TurnAssembly()
    assembly.apply(batch)
    return assembly
  }

  private func done(_ item: String, _ index: Int = 0) -> String {
    #"{"type":"response.output_item.done","output_index":\#(index),"item":\#(item)}"#
  }

  private func message(id: String) -> String {
    #"{\#(id)"type":"message","content":[{"type":"output_text","text":"hello"}]}"#
  }

  @Test(
    "Text that came as deltas is not taken again from the finished item, whatever names its deltas bear",
    arguments: [
      (#""item_id":"m","output_index":0,"#, #""id":"m","#),
      // An encoder that escapes what it need not.
      (#""item_id":"m\u002b","#, #""id":"m+","#),
      // Gateways that leave ids out, or make up another at the end.
      ("", #""id":"m","#),
      (#""item_id":"a","output_index":0,"#, #""id":"b","#),
      (#""item_id":"a","output_index":0,"#, ""),
    ])
  func streamedOnce(delta: String, id: String) throws {
    let assembly = try assemble([
      #"{"type":"response.output_text.delta",\#(delta)"delta":"hello"}"#, done(message(id: id)),
    ])
    #expect(String(decoding: assembly.text, as: UTF8.self) == "hello")
  }

  @Test("A finished item without deltas gives its text")
  func notStreamed() throws {
    let assembly = try assemble([
      #"{"type":"response.output_text.delta","item_id":"a","output_index":0,"delta":"hello"}"#,
      done(message(id: #""id":"b","#), 1),
    ])
    #expect(String(decoding: assembly.text, as: UTF8.self) == "hellohello")
  }

  @Test("Thousands of calls are put together in one pass")
  func manyCalls() throws {
    let calls = (0..<3_000).map {
      #"{"type":"function_call","id":"f\#($0)","call_id":"c\#($0)","name":"f","arguments":"{}"}"#
    }
    let whole = #"{"type":"response.completed","response":{"id":"r","output":[\#(calls.joined(separator: ","))]}}"#
    #expect(try assemble([whole]).calls.count == 3_000)
    let streamed = try assemble(calls.enumerated().map { done($1, $0) })
    #expect(streamed.calls.count == 3_000 && streamed.calls.last?.callID == "c2999")
  }
}
