import RWSJSON
import Testing

@testable import ResponsesServer

@Suite struct EventEmitterTests {
  @Test(
    "deltas put together are the text",
    arguments: ["", " ", "a", "a b", "  a  b \n c ", "ünï 🎉🎉 x", "\r\n\r\n"])
  func chunks(text: String) {
    #expect(Chunks.words(text).joined() == text)
    #expect(Chunks.pieces(text).joined() == text)
    #expect(Chunks.words(text).allSatisfy { !$0.isEmpty })
  }

  @Test("an item is done before the next one is added, each at its own index")
  func itemsDoNotInterleave() throws {
    let script = Script()
    let frames = try script.create(
      #""input":"PARALLEL 2","tools":[{"type":"function","name":"f"}]"#)
    let places = frames.filter { $0.type.hasPrefix("response.output_item.") }.map {
      "\($0.type.split(separator: ".").last ?? "") \($0["output_index"]?.int ?? -1)"
    }
    #expect(places == ["added 0", "done 0", "added 1", "done 1"])
  }

  @Test("the terminal event repeats the done items, but for reasoning's ciphertext")
  func terminalOutput() throws {
    let script = Script()
    let frames = try script.create(#""input":"REASON COMMENT""#)
    let done = frames.filter { $0.type == "response.output_item.done" }.compactMap { $0["item"] }
    let repeated = frames.response?["output"]?.elements ?? []
    #expect(done.count == 3)
    #expect(done.dropFirst().map { Array($0.bytes) } == repeated.dropFirst().map { Array($0.bytes) })
    #expect(done.first?["id"]?.string == repeated.first?["id"]?.string)
    #expect(
      done.first?["encrypted_content"]?.string != repeated.first?["encrypted_content"]?.string)
  }

  @Test("the clock gives created_at and completed_at")
  func times() throws {
    var configuration = ServerConfiguration()
    configuration.unixNanosecondsAtZero = 1_700_000_000_000_000_000
    let script = Script(configuration)
    try script.create(#""input":"SLOW 5000 x""#)
    try script.advance(milliseconds: 5000)
    let response = script.frames.response
    #expect(response?["created_at"]?.int == 1_700_000_000)
    #expect(response?["completed_at"]?.int == 1_700_000_005)
  }

  @Test("the pace: thinking first, then tokens per second")
  func pace() throws {
    var configuration = ServerConfiguration()
    configuration.thinkingNanoseconds = 1_000_000_000
    configuration.tokensPerSecond = 10
    let script = Script(configuration)
    let first = try script.create(#""input":"0123456789012345678901234567890123""#)
    #expect(first.types == ["response.created", "response.in_progress"])
    // 40 bytes and what is counted around an item: 14 tokens, 1.4 seconds.
    #expect(!(try script.advance(milliseconds: 2300)).types.contains("response.completed"))
    #expect(try script.advance(milliseconds: 100).types.last == "response.completed")
  }
}
