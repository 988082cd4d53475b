import Testing

@testable import RWSTokens

@Suite struct ItemCounterTests {
  private let counter = ItemCounter(nil)

  private func measure(_ item: String) -> TextMeasure {
    Array(item.utf8).withUnsafeBytes { counter.measure(item: $0) }
  }

  @Test(
    "visible text counts, labels do not",
    arguments: [
      (#"{"role":"user","content":"hello"}"#, 5),
      (#"{"type":"message","id":"msg_1","role":"user","status":"completed","content":[{"type":"input_text","text":"hello"},{"type":"input_text","text":" you"}]}"#, 9),
      (#"{"type":"message","role":"assistant","content":[{"type":"output_text","text":"hi","annotations":[{"title":"no"}],"logprobs":[]},{"type":"refusal","refusal":"no"}]}"#, 4),
      (#"{"type":"function_call","call_id":"call_1","name":"add","arguments":"{\"a\":1}"}"#, 10),
      (#"{"type":"function_call_output","call_id":"call_1","output":"3"}"#, 1),
      (#"{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"ok"}]}"#, 2),
      (#"{"type":"custom_tool_call","name":"sh","input":"ls\n"}"#, 5),
      (#"{"type":"shell_call","action":{"command":["ls","-l"],"timeout_ms":100},"status":"completed"}"#, 4),
      (#"{"type":"an_unknown_item","x":{"y":["text",null,true,1]}}"#, 4),
      (#""a string is a message""#, 21),
      (#"{"content":"\u00e9\ud83d\ude00\ud800"}"#, 9),
    ])
  func visibleText(item: String, bytes: Int) {
    let measure = measure(item)
    #expect(measure.bytes == bytes)
    #expect(measure.itemCount == 1 && measure.uncountable == [] && measure.reasoningBytes == 0)
  }

  @Test(
    "what cannot be counted is reported",
    arguments: [
      (#"{"role":"user","content":[{"type":"input_text","text":"see"},{"type":"input_image","detail":"auto","image_url":"data:image/png;base64,AAAA"}]}"#, UncountableParts.image, 3),
      (#"{"role":"user","content":[{"type":"input_image","image_url":null,"file_id":"file_1"}]}"#, .file, 0),
      (#"{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"AAAA"}]}"#, .file, 0),
      (#"{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}}]}"#, .audio, 0),
      (#"{"type":"compaction","id":"cmp_1","encrypted_content":"gAAAA"}"#, .encrypted, 0),
      (#"{"type":"item_reference","id":"msg_1"}"#, .reference, 0),
      (#"{"type":"image_generation_call","id":"ig_1","result":"AAAA"}"#, .image, 0),
    ])
  func uncountable(item: String, part: UncountableParts, bytes: Int) {
    let measure = measure(item)
    #expect(measure.uncountable == part && measure.uncountableCount == 1)
    #expect(measure.bytes == bytes)
  }

  @Test("reasoning is measured apart: the model need not see it again")
  func reasoning() {
    let measure = measure(
      #"{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"think"}],"encrypted_content":"gAAAA"}"#)
    #expect(measure.bytes == 0 && measure.reasoningBytes == 5)
    #expect(measure.uncountable == .encrypted)
  }

  @Test("the values of an item nested beyond reason count as they are written")
  func deep() {
    let depth = 500
    let nested = String(repeating: "[", count: depth) + "\"x\"" + String(repeating: "]", count: depth)
    let measure = measure(#"{"type":"t","x":"# + nested + "}")
    #expect(measure.bytes > 900 && measure.bytes < 1010)
  }

  @Test("of what is no JSON the part before the error counts, and nothing fails")
  func broken() {
    #expect(measure(#"{"content":"abc","x":tru"#).bytes == 3)
    for item in ["", "{", "nonsense", "{\"a\"", "[1,"] { #expect(measure(item).bytes == 0) }
  }

  @Test("tokens are those of each text by itself, unescaped; without a vocabulary there are none")
  func tokens() throws {
    let small = SmallVocabulary(seed: 2, merges: 100, alphabet: "abc ")
    let vocabulary = try small.vocabulary()
    let counter = ItemCounter(vocabulary)
    let item = Array(#"{"content":[{"text":"abcabc"},{"text":"b\u0061c"},{"image_url":"x"}]}"#.utf8)
    let measure = item.withUnsafeBytes { counter.measure(item: $0) }
    #expect(measure.bytes == 9)
    #expect(
      measure.tokens == small.merge(Array("abcabc".utf8)).count + small.merge(Array("bac".utf8)).count)
    #expect(item.withUnsafeBytes { self.counter.measure(item: $0) }.tokens == nil)
    #expect((measure + self.measure(#""x""#)).tokens == nil)
    #expect((measure + measure).tokens == (measure.tokens ?? 0) * 2)
  }
}
