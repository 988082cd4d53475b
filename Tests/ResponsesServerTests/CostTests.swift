import RWSTokens
import Testing

@testable import ResponsesServer

/// What a request costs follows from what it carries and what is held where it arrives.
@Suite struct CostTests {
  /// All bytes, and "hello" and " world" whole.
  private func vocabulary() throws -> Vocabulary {
    var tokens = (UInt8.min...UInt8.max).map { [$0] }
    for word in ["hello", " world"] {
      let bytes = Array(word.utf8)
      for count in 2...bytes.count { tokens.append(Array(bytes[..<count])) }
    }
    let lines = tokens.enumerated().map { "\(base64($0.element)) \($0.offset)\n" }
    return try Array(lines.joined().utf8).withUnsafeBytes { try Vocabulary($0) }
  }

  private func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    return stride(from: 0, to: bytes.count, by: 3).map { start in
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = (group + [0, 0]).prefix(3).reduce(0) { $0 << 8 | Int($1) }
      return String(
        (0..<4).map { $0 <= group.count ? alphabet[bits >> (18 - 6 * $0) & 63] : "=" })
    }.joined()
  }

  /// A microsecond for a byte, a thousand for an item, a million for a token.
  private var units: CostModel {
    var model = CostModel()
    model.byteNanoseconds = 1e3
    model.itemNanoseconds = 1e6
    model.tokenNanoseconds = 1e9
    return model
  }

  private func script(
    _ meter: RequestMeter, store: ResponseStore = ResponseStore()
  ) -> Script {
    var configuration = ServerConfiguration()
    configuration.logged = .costs
    return Script(configuration, store: store, meter: meter)
  }

  // MARK: Counting

  @Test("usage: with a vocabulary its tokens are counted, and four for each item")
  func vocabularyCounts() throws {
    let script = script(RequestMeter(try vocabulary()))
    let usage = try script.create(#""input":"hello world""#).response?["usage"]
    #expect(usage?["input_tokens"]?.int == 6)
    // "ECHO: " byte by byte, "hello", " world", and what is around an item.
    #expect(usage?["output_tokens"]?.int == 12)
  }

  @Test("usage: without a vocabulary four bytes are a token")
  func ruleCounts() throws {
    let usage = try script(RequestMeter()).create(#""input":"hello world""#).response?["usage"]
    #expect(usage?["input_tokens"]?.int == 7)
  }

  @Test("usage: instructions and tools are counted with the vocabulary")
  func settings() throws {
    let usage = try script(RequestMeter(try vocabulary()))
      .create(#""input":"hello","instructions":"hello world hello""#).response?["usage"]
    // The last one is " hello", which is a byte and what has no token of its own with it.
    #expect(usage?["input_tokens"]?.int == 9)
  }

  @Test("usage: a replayed chain counts the same with a vocabulary as the chain, part of it cached")
  func chain() throws {
    let meter = RequestMeter(try vocabulary())
    let script = script(meter)
    let first = try script.create(#""input":"hello","store":false"#)
    let second = try script.create(
      #""input":"world","store":false,"previous_response_id":"\#(first.responseID)""#)
    let cached = second.response?["usage"]?["input_tokens_details"]?["cached_tokens"]?.int
    #expect(cached == first.response?["usage"]?["total_tokens"]?.int)
    let replayed = try self.script(meter).create(
      #""input":[{"role":"user","content":"hello"},{"role":"assistant","content":"ECHO: hello"},{"role":"user","content":"world"}],"store":false"#)
    #expect(
      replayed.response?["usage"]?["input_tokens"]?.int
        == second.response?["usage"]?["input_tokens"]?.int)
  }

  // MARK: Work

  @Test("a continuation on its connection is work for what is new alone")
  func continuation() throws {
    let script = script(RequestMeter(try vocabulary()))
    let instructions = #""instructions":"hello hello hello","store":false"#
    let first = try script.create(#""input":"hello world hello world",\#(instructions)"#)
    try script.create(
      #""input":"hello",\#(instructions),"previous_response_id":"\#(first.responseID)""#)
    let work = script.logs.last?["work"]
    #expect(work?["items"]?.int == 1)
    #expect(work?["tokens"]?.int == 5)
    #expect(work?["loaded_tokens"]?.int == 0)
    #expect(script.logs.last?["continued"]?.bool == true)
  }

  @Test("a stored parent on another connection is loaded and made tokens again; the body is small all the same")
  func loading() throws {
    let store = ResponseStore()
    let meter = RequestMeter(try vocabulary())
    let first = try script(meter, store: store).create(#""input":"hello world hello world""#)
    let other = script(meter, store: store)
    try other.create(#""input":"hello","previous_response_id":"\#(first.responseID)""#)
    let work = other.logs.last?["work"]
    #expect(work?["items"]?.int == 1)
    #expect(work?["tokens"]?.int == 5)
    #expect(work?["loaded_items"]?.int == 2)
    let held = first.response?["usage"]?["total_tokens"]?.int
    #expect(work?["loaded_tokens"]?.int == held)
  }

  @Test("a whole history is work for all of it, over whatever connection")
  func wholeHistory() throws {
    let script = script(RequestMeter(try vocabulary()))
    let history = #"[{"role":"user","content":"hello"},{"role":"assistant","content":"hello"},{"role":"user","content":"hello"}]"#
    for _ in 0..<2 { try script.create(#""input":\#(history),"store":false"#) }
    let work = script.logs.last?["work"]
    #expect(work?["items"]?.int == 3)
    #expect(work?["tokens"]?.int == 15)
    #expect(work?["bytes"]?.int ?? 0 > history.utf8.count)
  }

  @Test("a changed setting costs what was rendered with the old one")
  func changedSetting() throws {
    let script = script(RequestMeter(try vocabulary()))
    let first = try script.create(#""input":"hello world","store":false"#)
    try script.create(
      #""input":"hello","instructions":"hello","store":false,"previous_response_id":"\#(first.responseID)""#)
    let held = first.response?["usage"]?["total_tokens"]?.int
    #expect(script.logs.last?["work"]?["loaded_tokens"]?.int == held)
  }

  @Test("the model reads no beginning of a prompt twice, whoever sends it")
  func prefill() throws {
    var model = CostModel()
    model.prefillTokenNanoseconds = 1e6
    let meter = RequestMeter(try vocabulary(), model)
    let one = script(meter)
    try one.create(#""input":"hello world","store":false"#)
    try one.advance(milliseconds: 100)
    #expect(one.logs.last?["work"]?["prefill_tokens"]?.int == 6)
    let other = script(meter)
    try other.create(
      #""input":[{"role":"user","content":"hello world"},{"role":"user","content":"hello"}],"store":false"#)
    try other.advance(milliseconds: 100)
    #expect(other.logs.last?["work"]?["prefill_tokens"]?.int == 5)
  }

  // MARK: Time

  @Test("cost: bytes, items and tokens take their time, made longer by one factor; a request's own is not")
  func cost() {
    var model = units
    model.requestNanoseconds = 7
    model.prefillTokenNanoseconds = 5
    model.slowness = 2
    var work = RequestWork()
    #expect(model.cost(of: work) == RequestCost(request: 7))
    (work.bytes, work.items, work.tokens) = (10, 3, 2)
    (work.loadedItems, work.loadedTokens, work.prefillTokens) = (4, 1, 6)
    #expect(
      model.cost(of: work)
        == RequestCost(
          request: 7, validation: 2 * (10_000 + 3_000_000), tokenisation: 2 * 2_000_000_000,
          loading: 2 * (4_000_000 + 1_000_000_000), prefill: 30))
  }

  @Test("cost: no work of a hundred milliards of tokens overflows")
  func hugeCost() {
    var model = units
    model.slowness = 1e12
    #expect(model.cost(of: RequestWork(tokens: .max)).tokenisation == 86_400_000_000_000)
  }

  @Test("a response begins when its work is done, and the model's time comes after it")
  func events() throws {
    var model = CostModel()
    model.requestNanoseconds = 20e6
    model.prefillTokenNanoseconds = 1e6
    let script = script(RequestMeter(nil, model))
    #expect(try script.create(#""input":"12345678""#).isEmpty)
    #expect(try script.advance(milliseconds: 19).isEmpty)
    #expect(
      try script.advance(milliseconds: 1).types == ["response.created", "response.in_progress"])
    #expect(try script.advance(milliseconds: 5).isEmpty)
    #expect(try script.advance(milliseconds: 1).types.last == "response.completed")
    #expect(script.logs.last?["ended_at"]?.int == 26_000_000)
    #expect(script.logs.last?["received_at"]?.int == 0)
  }

  @Test("queueing: with one worker requests are checked one after the other; with two, two at a time")
  func queue() {
    var one = WorkQueue(workers: 1)
    #expect([one.wait(for: 10, now: 0), one.wait(for: 10, now: 3), one.wait(for: 1, now: 50)] == [0, 7, 0])
    var two = WorkQueue(workers: 2)
    #expect((0..<3).map { _ in two.wait(for: 10, now: 0) } == [0, 0, 10])
    var unlimited = WorkQueue(workers: 0)
    #expect(unlimited.wait(for: 10, now: 0) == 0 && unlimited.wait(for: 10, now: 0) == 0)
  }

  @Test("a file of costs: numbers by name; what is unknown, negative or no number is refused")
  func parsing() throws {
    let model = try CostModel(parsing: Array(#"{"note":"x","request_ns":1,"token_ns":2.5,"slowness":3}"#.utf8))
    var expected = CostModel()
    (expected.requestNanoseconds, expected.tokenNanoseconds, expected.slowness) = (1, 2.5, 3)
    #expect(model == expected)
    for text in [#"{"tokens":1}"#, #"{"token_ns":-1}"#, #"{"token_ns":"1"}"#, "[]", "{"] {
      #expect(throws: CostModelError.self) { try CostModel(parsing: Array(text.utf8)) }
    }
  }

  // MARK: The way

  @Test("a line delays by half a round trip, and keeps the order")
  func delay() {
    var conditions = LinkConditions()
    conditions.roundTripNanoseconds = 100
    var line = DelayLine(conditions, opensAt: 0)
    line.put([1], now: 0)
    line.put([2], now: 10)
    #expect(line.nextDue == 50 && line.takeDue(49) == nil)
    #expect(line.takeDue(50) == [1] && line.takeDue(59) == nil && line.nextDue == 60)
    #expect(line.takeDue(60) == [2] && line.nextDue == nil && line.queuedBytes == 0)
  }

  @Test("a line of little bandwidth carries one byte after the other")
  func bandwidth() {
    var conditions = LinkConditions()
    conditions.bytesPerSecond = 1e9
    var line = DelayLine(conditions, opensAt: 0)
    line.put([UInt8](repeating: 1, count: 100), now: 0)
    line.put([2], now: 40)
    #expect(line.nextDue == 100 && line.queuedBytes == 101)
    #expect(line.takeDue(100)?.count == 100)
    #expect(line.nextDue == 101)
  }

  @Test("a new connection carries nothing before its handshakes")
  func handshakes() {
    var conditions = LinkConditions()
    conditions.roundTripNanoseconds = 100
    var line = DelayLine(conditions, opensAt: 200)
    line.put([1], now: 5)
    #expect(line.nextDue == 250)
    line.put([2], now: 300)
    #expect(line.takeDue(250) == [1] && line.nextDue == 350)
  }
}
