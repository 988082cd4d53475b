import RWSTokens
import Testing

@testable import RWSProtocol

@Suite struct TokenLedgerTests {
  // MARK: Costs

  @Test("a turn's marginal input is its input less input and output of the turn before")
  func marginalInput() {
    var ledger = TokenLedger()
    #expect(ledger.commit(turn(input: 1000, output: 50)).marginalInputTokens == 1000)
    let second = ledger.commit(turn(input: 1070, cached: 1024, output: 30, reasoning: 10, isDelta: true))
    #expect(second.marginalInputTokens == 20)
    #expect(second.cachedTokens == 1024 && second.reasoningTokens == 10)
    #expect(ledger.contextTokens == 1100)
    // The reasoning was not rendered again.
    #expect(ledger.commit(turn(input: 1095, output: 1, isDelta: true)).marginalInputTokens == -5)
  }

  @Test("totals count all turns, the failed too; the hit rate those that had a history")
  func totals() {
    var ledger = TokenLedger()
    #expect(ledger.totals.deltaHitRate == nil)
    var first = turn(input: 100, cached: 0, output: 10, reasoning: 4)
    first.sentBytes = 500
    first.httpBytes = 500
    _ = ledger.commit(first)
    #expect(ledger.totals.deltaHitRate == nil)
    var second = turn(input: 120, cached: 100, output: 10, reasoning: 4, isDelta: true)
    second.sentBytes = 80
    second.httpBytes = 700
    _ = ledger.commit(second)
    var replayed = turn(input: 140, cached: 100, output: 0, reasoning: 0)
    replayed.resendCount = 1
    replayed.sentBytes = 800
    replayed.httpBytes = 800
    _ = ledger.abandon(replayed)
    var silent = LedgerTurn()
    silent.isDelta = true
    _ = ledger.abandon(silent)

    let totals = ledger.totals
    #expect(totals.turnCount == 4 && totals.continuationCount == 3 && totals.deltaCount == 2)
    #expect(totals.deltaHitRate == 2.0 / 3)
    #expect(totals.resendCount == 1 && totals.unreportedCount == 1)
    #expect(totals.inputTokens == 360 && totals.cachedTokens == 200)
    #expect(totals.outputTokens == 20 && totals.reasoningTokens == 8)
    #expect(totals.sentBytes == 1380 && totals.httpBytes == 2000)
  }

  @Test("a turn that did not commit leaves the context as it was")
  func abandoned() {
    var ledger = TokenLedger()
    _ = ledger.commit(turn(input: 100, output: 10))
    _ = ledger.abandon(turn(input: 500, output: 100, isDelta: true))
    #expect(ledger.contextTokens == 110)
    #expect(ledger.commit(turn(input: 130, output: 1, isDelta: true)).marginalInputTokens == 20)
  }

  @Test("after a turn without usage the context is not known, and then known again")
  func missingUsage() {
    var ledger = TokenLedger()
    _ = ledger.commit(turn(input: 100, output: 10))
    for usage in [nil, usage(input: 0, output: 0), Usage(bytes: bytes("{}"))] {
      var silent = LedgerTurn()
      silent.usage = usage
      silent.isDelta = true
      #expect(ledger.commit(silent).inputTokens == nil)
      #expect(ledger.contextTokens == nil && ledger.estimateInput(adding: text(10)) == nil)
    }
    let next = ledger.commit(turn(input: 200, output: 10, isDelta: true))
    #expect(next.marginalInputTokens == nil && ledger.contextTokens == 210)
  }

  @Test("a fork knows the context and has totals of its own")
  func fork() {
    var ledger = TokenLedger()
    _ = ledger.commit(turn(input: 100, output: 10))
    var fork = ledger.forked()
    #expect(fork.totals == SessionLedger() && fork.contextTokens == 110)
    #expect(fork.commit(turn(input: 115, output: 1, isDelta: true)).marginalInputTokens == 5)
    #expect(fork.totals.deltaHitRate == 1)
    #expect(ledger.contextTokens == 110)
  }

  @Test("counts beyond all sense do not overflow")
  func absurdCounts() {
    var ledger = TokenLedger()
    for _ in 0..<3 {
      let cost = ledger.commit(
        turn(input: .max, cached: .max, output: .max, reasoning: .max, isDelta: true))
      #expect((cost.inputTokens ?? 0) > 0)
    }
    _ = ledger.commit(turn(input: 1, output: 0, reasoning: .max, isDelta: true))
    #expect(ledger.estimateInput(adding: text(.max / 2)) != nil)
    #expect(ledger.totals.inputTokens > 0)
  }

  // MARK: Lost contexts

  @Test("a server that took the id and forgot the history is found out")
  func contextLost() {
    var ledger = TokenLedger()
    _ = ledger.commit(turn(input: 2000, output: 100, text: 1000))
    _ = ledger.commit(turn(input: 2300, output: 100, isDelta: true, text: 200))
    // Instructions and the new message, nothing else.
    let lost = ledger.commit(turn(input: 1020, output: 50, isDelta: true, text: 10))
    #expect(lost.contextLoss?.inputTokens == 1020)
    #expect(lost.contextLoss.map { $0.expectedTokens > 1500 && $0.expectedTokens < 2400 } == true)
    // Said once: what is there now is the context.
    #expect(ledger.commit(turn(input: 1080, output: 5, isDelta: true)).contextLoss == nil)
  }

  @Test("it is found out behind large instructions and before a large new item")
  func contextLostAmongMuch() {
    var ledger = TokenLedger()
    _ = ledger.commit(turn(input: 20_100, output: 100, text: 90))
    _ = ledger.commit(turn(input: 20_500, output: 100, isDelta: true, text: 280))
    let lost = ledger.commit(turn(input: 20_015, output: 50, isDelta: true, text: 10))
    #expect(lost.contextLoss != nil)

    ledger = TokenLedger()
    _ = ledger.commit(turn(input: 1000, output: 100, text: 900))
    #expect(ledger.commit(turn(input: 3150, output: 5, isDelta: true, text: 3000)).contextLoss != nil)
  }

  @Test("without a vocabulary it is found out by the usage alone")
  func contextLostWithoutVocabulary() {
    var ledger = TokenLedger()
    _ = ledger.commit(turn(input: 2000, output: 100, bytes: 6000))
    #expect(ledger.commit(turn(input: 300, output: 5, isDelta: true, bytes: 40)).contextLoss != nil)
  }

  @Test("reasoning that is not rendered again is no alarm, however much it was")
  func unrenderedReasoning() {
    var ledger = TokenLedger()
    _ = ledger.commit(turn(input: 500, output: 20_000, reasoning: 19_900, text: 400))
    #expect(ledger.commit(turn(input: 620, output: 10, isDelta: true, text: 15)).contextLoss == nil)
    // Kept through a tool loop, then gone at once.
    ledger = TokenLedger()
    _ = ledger.commit(turn(input: 500, output: 1000, reasoning: 900, text: 400))
    _ = ledger.commit(turn(input: 1520, output: 1000, reasoning: 900, isDelta: true, text: 10))
    _ = ledger.commit(turn(input: 2540, output: 100, isDelta: true, text: 10))
    #expect(ledger.commit(turn(input: 860, output: 10, isDelta: true, text: 10)).contextLoss == nil)
  }

  @Test("but a loss shows in the text, though much reasoning may have gone")
  func lossUnderReasoning() {
    var ledger = TokenLedger()
    _ = ledger.commit(turn(input: 5000, output: 20_000, reasoning: 19_900, text: 4800))
    #expect(ledger.commit(turn(input: 200, output: 1, isDelta: true, text: 10)).contextLoss != nil)
  }

  @Test(
    "a context that may rightly be smaller is no alarm",
    arguments: [ContextChanges.truncation, .compaction, .model, [.settings, .compaction]])
  func rightlySmaller(change: ContextChanges) {
    var ledger = TokenLedger()
    _ = ledger.commit(turn(input: 10_000, output: 100, text: 9000))
    var smaller = turn(input: 700, output: 10, isDelta: true, text: 10)
    smaller.changes = change
    #expect(ledger.commit(smaller).contextLoss == nil)
  }

  @Test("shorter instructions are no alarm, a loss with them is")
  func settings() {
    var ledger = TokenLedger()
    _ = ledger.commit(turn(input: 10_000, output: 100, text: 1000))
    var shorter = turn(input: 1250, output: 10, isDelta: true, text: 10)
    shorter.changes = .settings
    var fork = ledger.forked()
    #expect(ledger.commit(shorter).contextLoss == nil)
    var lost = turn(input: 200, output: 10, isDelta: true, text: 10)
    lost.changes = .settings
    #expect(fork.commit(lost).contextLoss != nil)
  }

  @Test("after a compaction what is left is learned from the next usage")
  func compaction() {
    var ledger = TokenLedger()
    _ = ledger.commit(turn(input: 10_000, output: 100, text: 9000))
    var compacted = turn(input: 10_200, output: 300, isDelta: true, text: 20)
    compacted.changes = .compaction
    _ = ledger.commit(compacted)
    #expect(ledger.contextTokens == nil)
    let next = ledger.commit(turn(input: 900, output: 20, isDelta: true, text: 20))
    #expect(next.contextLoss == nil && next.marginalInputTokens == nil)
    #expect(ledger.contextTokens == 920)
    ledger.rebase(hasHistory: true)
    #expect(ledger.commit(turn(input: 80, output: 20)).contextLoss == nil)
  }

  @Test("a full request cannot lose what it carries; a short history is not judged")
  func notJudged() {
    var ledger = TokenLedger()
    _ = ledger.commit(turn(input: 5000, output: 100, text: 4000))
    #expect(ledger.commit(turn(input: 800, output: 10, text: 10)).contextLoss == nil)
    ledger = TokenLedger()
    _ = ledger.commit(turn(input: 30, output: 10, text: 10))
    #expect(ledger.commit(turn(input: 20, output: 10, isDelta: true, text: 10)).contextLoss == nil)
  }

  // MARK: Estimates

  @Test("with a vocabulary the frame of items is learned: the estimate closes in on it")
  func calibratedFrames() {
    var ledger = TokenLedger()
    let before = ledger.estimate(text(1000))
    #expect(before.low <= 1007 && 1007 <= before.high)
    var context: Int64 = 3000
    _ = ledger.commit(turn(input: context, output: 0, text: 2000))
    for round in 1...30 {
      let new = text(100 + round * 10)
      let truth = context + Int64(100 + round * 10) + 7
      if round > 3 {
        let estimate = ledger.estimateInput(adding: new)
        #expect(estimate.map { $0.low <= truth && truth <= $0.high } == true)
      }
      var next = turn(input: truth, output: 20, isDelta: true)
      next.input = new
      _ = ledger.commit(next)
      context = truth + 20
    }
    let after = ledger.estimate(text(1000))
    #expect(after.tokens == 1007 && after.high - after.low < before.high - before.low)
  }

  @Test("without one, bytes per token are learned, and the error is stated")
  func calibratedBytes() {
    var ledger = TokenLedger()
    var random = UInt64(7)
    var context: Int64 = 500
    var within = 0
    for round in 0..<60 {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      // Chinese, say: 0.33 to 0.42 tokens to a byte.
      let ratio = 0.33 + Double(random >> 60) * 0.006
      let truth = Int64(3000 * ratio) + 5
      let estimate = ledger.estimate(bytesOnly(3000))
      if round >= 10, estimate.low <= truth, truth <= estimate.high { within += 1 }
      var next = turn(input: context + truth, output: Int64(600 * ratio), isDelta: round > 0)
      next.input = bytesOnly(3000)
      next.output = bytesOnly(600)
      _ = ledger.commit(next)
      context += truth + Int64(600 * ratio)
    }
    #expect(within >= 47)
    let estimate = ledger.estimate(bytesOnly(3000))
    #expect(estimate.tokens > 1000 && estimate.tokens < 1300)
    #expect(estimate.high - estimate.low < estimate.tokens / 2)
  }

  @Test("what cannot be counted is said to be missing, and teaches nothing")
  func uncountable() {
    var ledger = TokenLedger()
    _ = ledger.commit(turn(input: 1000, output: 10, text: 500))
    let before = ledger.estimate(text(10))
    var image = turn(input: 3000, output: 10, isDelta: true, text: 10)
    image.input.uncountable = .image
    image.input.uncountableCount = 2
    #expect(ledger.estimate(image.input).uncountableParts == 2)
    _ = ledger.commit(image)
    #expect(ledger.estimate(text(10)) == before)
  }

  // MARK: Made-up turns

  private func turn(
    input: Int64, cached: Int64 = 0, output: Int64, reasoning: Int64 = 0, isDelta: Bool = false,
    text tokens: Int? = nil, bytes: Int? = nil
  ) -> LedgerTurn {
    var turn = LedgerTurn()
    turn.usage = usage(input: input, cached: cached, output: output, reasoning: reasoning)
    turn.isDelta = isDelta
    if let tokens { turn.input = text(tokens) }
    if let bytes { turn.input = bytesOnly(bytes) }
    return turn
  }

  private func usage(
    input: Int64, cached: Int64 = 0, output: Int64, reasoning: Int64 = 0
  ) -> Usage? {
    Usage(bytes: bytes(
      #"{"input_tokens":\#(input),"input_tokens_details":{"cached_tokens":\#(cached)},"#
        + #""output_tokens":\#(output),"output_tokens_details":{"reasoning_tokens":\#(reasoning)}}"#))
  }

  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  /// An item of this many tokens of text.
  private func text(_ tokens: Int) -> TextMeasure {
    var measure = TextMeasure()
    measure.itemCount = 1
    measure.bytes = tokens &* 4
    measure.tokens = tokens
    return measure
  }

  private func bytesOnly(_ bytes: Int) -> TextMeasure {
    var measure = TextMeasure()
    measure.itemCount = 1
    measure.bytes = bytes
    measure.tokens = nil
    return measure
  }
}

extension Usage {
  fileprivate init?(bytes: [UInt8]) {
    guard let usage = bytes.withUnsafeBytes({ Usage($0) }) else { return nil }
    self = usage
  }
}
