import RWSJSON
import Testing

@testable import ResponsesServer

@Suite struct ResponseCacheTests {
  private func next(_ id: String, _ more: String = "") -> String {
    #""input":"RECALL","store":false,"previous_response_id":"\#(id)"\#(more)"#
  }

  @Test("a continuation sees the whole chain, and the cache pays for what it held")
  func chain() throws {
    let script = Script()
    let first = try script.create(#""input":"one","store":false"#)
    let second = try script.create(next(first.responseID))
    #expect(second.text == "RECALL users=2 tools=0 first=one")
    let usage = first.response?["usage"]
    #expect(
      second.response?["usage"]?["input_tokens_details"]?["cached_tokens"]?.int
        == usage?["total_tokens"]?.int)
  }

  @Test("a changed setting keeps the chain and loses the cached tokens")
  func cacheBreak() throws {
    let script = Script()
    let first = try script.create(#""input":"one","store":false"#)
    let second = try script.create(next(first.responseID, #","instructions":"be brief""#))
    #expect(second.text == "RECALL users=2 tools=0 first=one")
    #expect(second.response?["usage"]?["input_tokens_details"]?["cached_tokens"]?.int == 0)
  }

  @Test("store:false: only the latest response of a lane is there")
  func latestOnly() throws {
    let script = Script()
    let first = try script.create(#""input":"one","store":false"#)
    let second = try script.create(next(first.responseID))
    #expect(try script.create(next(first.responseID)).errorCode == "previous_response_not_found")
    #expect(try script.create(next(second.responseID)).text.hasPrefix("RECALL users=3"))
  }

  @Test("store:true: an older response is loaded, without cached tokens")
  func stored() throws {
    let script = Script()
    let first = try script.create(#""input":"one","store":true"#)
    try script.create(next(first.responseID))
    let again = try script.create(next(first.responseID))
    #expect(again.text == "RECALL users=2 tools=0 first=one")
    #expect(again.response?["usage"]?["input_tokens_details"]?["cached_tokens"]?.int == 0)
  }

  @Test("another connection has the stored responses and not the others")
  func otherConnection() throws {
    let store = ResponseStore()
    let one = Script(store: store, seed: 1)
    let kept = try one.create(#""input":"kept""#)
    let lost = try one.create(#""input":"lost","store":false"#)
    let other = Script(store: store, seed: 2)
    #expect(try other.create(next(kept.responseID)).text == "RECALL users=2 tools=0 first=kept")
    #expect(try other.create(next(lost.responseID)).errorCode == "previous_response_not_found")
  }

  @Test("the store is bounded: the oldest response goes first")
  func storeIsBounded() throws {
    let store = ResponseStore(responsesMax: 2)
    let script = Script(store: store)
    let ids = try (0..<3).map { try script.create(#""input":"\#($0)""#).responseID }
    let other = Script(store: store, seed: 2)
    #expect(try other.create(next(ids[0])).errorCode == "previous_response_not_found")
    #expect(try other.create(next(ids[1])).error == nil)
    #expect(try other.create(next(ids[2])).error == nil)
  }

  @Test("a continuation that is rejected on its own lane evicts its parent")
  func rejectedContinuationEvicts() throws {
    let script = Script()
    let first = try script.create(#""input":"one","store":false"#)
    let bad = #""input":[{"type":"function_call_output","call_id":"no","output":""}],"store":false,"#
    #expect(
      try script.create(bad + #""previous_response_id":"\#(first.responseID)""#).errorStatus == 400)
    #expect(try script.create(next(first.responseID)).errorCode == "previous_response_not_found")
  }

  @Test("a continuation that fails upstream evicts its parent too")
  func failedContinuationEvicts() throws {
    let script = Script()
    let first = try script.create(#""input":"one","store":false"#)
    let failed = try script.create(
      #""input":"UPSTREAM ERROR","store":false,"previous_response_id":"\#(first.responseID)""#)
    #expect(failed.types.last == "response.failed")
    #expect(try script.create(next(first.responseID)).errorCode == "previous_response_not_found")
  }

  @Test("a fork runs on another lane, and a failed one keeps its parent")
  func fork() throws {
    let script = Script()
    let first = try script.create(#""input":"one","store":false"#)
    let bad = #""input":[{"role":"dog","content":""}],"store":false,"stream_id":"b","#
    #expect(
      try script.create(bad + #""previous_response_id":"\#(first.responseID)""#).errorStatus == 400)
    let failed = try script.create(
      #""input":"UPSTREAM ERROR","stream_id":"b","previous_response_id":"\#(first.responseID)""#)
    #expect(failed.types.last == "response.failed")
    let fork = try script.create(next(first.responseID, #","stream_id":"b""#))
    #expect(fork.text == "RECALL users=2 tools=0 first=one")
    #expect(try script.create(next(first.responseID)).text == "RECALL users=2 tools=0 first=one")
    #expect(try script.create(next(fork.responseID, #","stream_id":"b""#)).error == nil)
  }

  @Test("a warm-up generates nothing and is continued")
  func warmUp() throws {
    let script = Script()
    let warm = try script.create(#""input":"one","generate":false,"store":false"#)
    #expect(warm.types == ["response.created", "response.in_progress", "response.completed"])
    #expect(warm.response?["usage"]?["output_tokens"]?.int == 0)
    #expect(try script.create(next(warm.responseID)).text == "RECALL users=2 tools=0 first=one")
    #expect(try script.create(#""generate":false"#).response != nil)
    let prewarmed = try script.create(#""input":"x","prompt_cache_options":{"prewarm":true}"#)
    #expect(prewarmed.response?["output"]?.elements.isEmpty == true)
  }

  @Test("an incomplete response is its lane's latest")
  func incompleteIsContinued() throws {
    let script = Script()
    let cut = try script.create(#""input":"LIMIT","store":false"#)
    #expect(cut.types.last == "response.incomplete")
    #expect(
      cut.response?["incomplete_details"]?["reason"]?.string == "max_output_tokens")
    #expect(try script.create(next(cut.responseID)).text == "RECALL users=2 tools=0 first=LIMIT")
  }

  @Test("a failed response cannot be continued, and leaves the latest as it was")
  func failedIsNotContinued() throws {
    let script = Script()
    let first = try script.create(#""input":"one","store":false"#)
    let failed = try script.create(#""input":"UPSTREAM ERROR","store":true"#)
    #expect(try script.create(next(failed.responseID)).errorCode == "previous_response_not_found")
    #expect(try script.create(next(first.responseID)).error == nil)
  }

  @Test("a fork whose parent's lane goes on in time finds it gone; after in_progress it does not")
  func evictionRace() throws {
    var configuration = ServerConfiguration()
    configuration.forkDelayNanoseconds = 50_000_000
    let lost = Script(configuration)
    var first = try lost.create(#""input":"one","store":false"#)
    #expect(try lost.create(next(first.responseID, #","stream_id":"b""#)).isEmpty)
    #expect(try lost.create(next(first.responseID)).error == nil)
    #expect(try lost.advance(milliseconds: 50).errorCode == "previous_response_not_found")
    let won = Script(configuration)
    first = try won.create(#""input":"one","store":false"#)
    try won.create(next(first.responseID, #","stream_id":"b""#))
    #expect(won.connection.nextDeadline == 50_000_000)
    #expect(try won.advance(milliseconds: 50).text == "RECALL users=2 tools=0 first=one")
    #expect(try won.create(next(first.responseID)).error == nil)
  }

  @Test("zero data retention stores nothing, whatever the request says")
  func zeroDataRetention() throws {
    var configuration = ServerConfiguration()
    configuration.zeroDataRetention = true
    let store = ResponseStore()
    let script = Script(configuration, store: store)
    let first = try script.create(#""input":"one","store":true"#)
    #expect(first.response?["store"]?.bool == false)
    #expect(store.json(first.responseID) == nil)
    try script.create(next(first.responseID))
    #expect(try script.create(next(first.responseID)).errorCode == "previous_response_not_found")
  }

  @Test("requests per minute: the next is a 429 with headers, until the window has moved")
  func rateLimit() throws {
    var configuration = ServerConfiguration()
    configuration.requestsPerMinute = 2
    let script = Script(configuration)
    for _ in 0..<2 { #expect(try script.create(#""input":"x""#).error == nil) }
    let refused = try script.create(#""input":"x""#)
    #expect(refused.errorStatus == 429 && refused.errorCode == "rate_limit_exceeded")
    #expect(refused.error?["error"]?["headers"]?["retry-after"]?.string == "60")
    try script.advance(milliseconds: 60_000)
    #expect(try script.create(#""input":"x""#).error == nil)
  }
}
