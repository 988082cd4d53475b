import RWSJSON
import RWSTokens
import Testing

@testable import RWSProtocol

/// What the machine tells a session's ledger, and what the ledger says then.
@Suite struct LedgerRulesTests {
  let user = #"[{"role":"user","content":"hi"}]"#

  private func driver(_ vocabulary: Vocabulary? = nil, _ settings: String? = nil) throws
    -> MachineDriver
  {
    let driver = try MachineDriver(
      settings: settings ?? #"{"model":"m","store":false}"#, vocabulary: vocabulary)
    return driver
  }

  /// A long first turn, answered.
  private func begin(_ driver: MachineDriver, input: Int = 2000) throws {
    try driver.start(user)
    driver.open()
    driver.answer("r1", usage: Wire.usage(input, 100, reasoning: 20))
  }

  private func ledger(_ driver: MachineDriver) -> SessionLedger {
    driver.machine.ledger(driver.session)
  }

  @Test("a turn's stats say what it took, the session's ledger what all took")
  func costs() throws {
    let driver = try driver()
    try begin(driver)
    let second = try driver.start(user)
    driver.answer("r2", usage: Wire.usage(2110, 50, cached: 2048))
    let cost = try #require(driver.ends[second]).stats.cost
    #expect(cost.inputTokens == 2110 && cost.cachedTokens == 2048)
    #expect(cost.outputTokens == 50 && cost.reasoningTokens == 0)
    #expect(cost.marginalInputTokens == 10 && cost.contextLoss == nil)
    let ledger = ledger(driver)
    #expect(ledger.turnCount == 2 && ledger.continuationCount == 1 && ledger.deltaHitRate == 1)
    #expect(ledger.inputTokens == 4110 && ledger.cachedTokens == 2048)
    #expect(ledger.outputTokens == 150 && ledger.reasoningTokens == 20)
    #expect(ledger.contextTokens == 2160)
    let stats = [1, 2].compactMap { driver.ends[TurnID($0)]?.stats }
    #expect(ledger.sentBytes == stats.reduce(0) { $0 + $1.requestBytes })
    #expect(ledger.httpBytes == stats.reduce(0) { $0 + $1.fullRequestBytes })
    #expect(ledger.sentBytes < ledger.httpBytes)
  }

  @Test("a context that the server has silently lost is told before the turn's last event")
  func contextLost() throws {
    let driver = try driver()
    try begin(driver)
    let second = try driver.start(user)
    driver.answer("r2", usage: Wire.usage(60, 5))
    let loss = try #require(driver.ends[second]?.stats.cost.contextLoss)
    #expect(loss.inputTokens == 60 && loss.expectedTokens > 1000)
    #expect(
      driver.notices[second]
        == [#"{"type":"rws.context_lost","input_tokens":60,"expected_tokens":\#(loss.expectedTokens)}"#])
    #expect(driver.events[second]?.suffix(2) == ["rws.context_lost", "response.completed"])
    #expect(driver.ends[second]?.outcome == .completed)
    #expect(ledger(driver).contextLossCount == 1)
  }

  @Test(
    "no loss is seen where the context may rightly be smaller",
    arguments: [
      (#"{"model":"m","truncation":"auto"}"#, "", ""),
      (#"{"model":"m"}"#, #"{"model":"other"}"#, ""),
      (#"{"model":"m"}"#, "", #"{"type":"compaction","id":"cmp_1","encrypted_content":"x"}"#),
      (#"{"model":"m"}"#, "", #"{"type":"web_search_call","id":"ws_1","status":"completed"}"#),
    ])
  func noFalseAlarm(_ settings: String, _ overrides: String, _ firstOutput: String) throws {
    let driver = try driver(nil, settings)
    try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r1"))
    if !firstOutput.isEmpty { driver.receive(Wire.itemDone(firstOutput, at: 0)) }
    driver.receive(Wire.completed("r1", usage: Wire.usage(2000, 100)))
    let second = try driver.start(user, overrides: overrides)
    driver.answer("r2", usage: Wire.usage(60, 5))
    #expect(driver.ends[second]?.stats.isDelta == true)
    #expect(driver.ends[second]?.stats.cost.contextLoss == nil)
    #expect(driver.notices[second] == nil)
  }

  @Test("reasoning that is not rendered again, and output that broke off, are no loss")
  func passingTokens() throws {
    let driver = try driver()
    try driver.start(user)
    driver.open()
    driver.receive(
      Wire.created("r1"), Wire.completed("r1", usage: Wire.usage(100, 5000, reasoning: 4990)))
    let second = try driver.start(user)
    driver.receive(
      Wire.created("r2"),
      #"{"type":"response.incomplete","response":{"id":"r2","usage":\#(Wire.usage(130, 9000))}}"#)
    let third = try driver.start(user)
    driver.answer("r3", usage: Wire.usage(150, 5))
    #expect(driver.ends[second]?.stats.cost.contextLoss == nil)
    #expect(driver.ends[third]?.stats.cost.contextLoss == nil)
  }

  @Test("a history that the caller changed is no loss, and no delta hit")
  func changedHistory() throws {
    let driver = try driver()
    try driver.start(history: user)
    driver.open()
    driver.answer("r1", usage: Wire.usage(2000, 100))
    let second = try driver.start(history: #"[{"role":"user","content":"anew"}]"#)
    driver.answer("r2", usage: Wire.usage(30, 5))
    let cost = try #require(driver.ends[second]).stats.cost
    #expect(cost.contextLoss == nil && cost.marginalInputTokens == nil)
    #expect(ledger(driver).deltaHitRate == 0)
    let third = try driver.start(user)
    driver.answer("r3", usage: Wire.usage(50, 5))
    #expect(driver.ends[third]?.stats.cost.marginalInputTokens == 15)
  }

  @Test("turns that failed or were cancelled count with what they took; unsent ones do not")
  func uncommitted() throws {
    let driver = try driver()
    let unsent = try driver.start(user)
    driver.cancel(unsent)
    #expect(ledger(driver).turnCount == 0)
    try driver.start(user)
    driver.open()
    driver.answer("r1", usage: Wire.usage(100, 10))
    let failed = try driver.start(user)
    driver.receive(
      Wire.created("r2"),
      #"{"type":"response.failed","response":{"id":"r2","error":{"code":"x","message":"no"},"usage":\#(Wire.usage(120, 7))}}"#)
    #expect(driver.ends[failed]?.stats.cost.outputTokens == 7)
    let cancelled = try driver.start(user)
    driver.cancel(cancelled)
    let ledger = ledger(driver)
    #expect(ledger.turnCount == 3 && ledger.unreportedCount == 1)
    #expect(ledger.inputTokens == 220 && ledger.outputTokens == 17)
    #expect(ledger.contextTokens == 110)
  }

  @Test("a request that was sent again counts once as a turn, and twice in the bytes")
  func resent() throws {
    let driver = try driver()
    try begin(driver)
    let second = try driver.start(user)
    driver.receive(Wire.error("previous_response_not_found"))
    driver.answer("r2", usage: Wire.usage(2110, 5))
    let ledger = ledger(driver)
    #expect(ledger.turnCount == 2 && ledger.resendCount == 1 && ledger.deltaCount == 0)
    #expect(ledger.sentBytes == driver.sent.reduce(0) { $0 + $1.bytes })
    #expect(driver.ends[second]?.stats.cost.marginalInputTokens == 10)
  }

  @Test("a fork knows the context and has books of its own")
  func fork() throws {
    let driver = try driver()
    try begin(driver)
    let fork = driver.fork(driver.session)
    #expect(driver.machine.ledger(fork).contextTokens == 2100)
    #expect(driver.machine.ledger(fork).turnCount == 0)
    #expect(driver.machine.ledger(SessionID(99)) == SessionLedger())
  }

  @Test("with a vocabulary, items that are not sent yet are counted, their frames learned")
  func estimates() throws {
    let driver = try driver(try .ofBytes())
    try driver.start(#"[{"role":"user","content":"0123456789"}]"#)
    driver.open()
    driver.answer("r1", text: "01234", usage: Wire.usage(13, 5))
    for turn in 1...20 {
      try driver.start(#"[{"role":"user","content":"0123456789"}]"#)
      // Three tokens of frame to an item.
      driver.answer("r\(turn + 1)", text: "01234", usage: Wire.usage(13 + 18 * turn, 5))
    }
    let counter = ItemCounter(try .ofBytes())
    let items = Array(#"{"role":"user","content":"0123456789012345"}"#.utf8)
      .withUnsafeBytes { counter.measure(items: $0) }
    let estimate = driver.machine.estimate(driver.session, items)
    #expect(estimate.tokens == 19 && estimate.uncountableParts == 0)
    #expect(estimate.low >= 17 && estimate.high <= 22)
  }

  @Test("input that the caller's thread has measured is not measured again")
  func measuredInput() throws {
    let driver = try driver(try .ofBytes())
    var measure = TextMeasure()
    measure.itemCount = 1
    measure.tokens = 5000
    let id = TurnID(77)
    driver.machine.start(
      TurnRequest(
        id: id, content: .new(try TurnInput(json: Array(user.utf8))), settings: driver.settings,
        measure: measure), in: driver.session, now: driver.now)
    driver.connect()
    driver.open()
    driver.answer("r1", usage: Wire.usage(5100, 5))
    // The text bounds the floor: 5000 tokens of it were counted.
    let second = try driver.start(user)
    driver.answer("r2", usage: Wire.usage(2000, 5))
    #expect(driver.ends[second]?.stats.cost.contextLoss != nil)
  }
}

extension Vocabulary {
  /// Each byte is a token.
  static func ofBytes() throws -> Vocabulary {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    let lines = (0..<256).map { "\(digits[$0 >> 2])\(digits[($0 & 3) << 4])== \($0)\n" }
    return try Array(lines.joined().utf8).withUnsafeBytes { try Vocabulary($0) }
  }
}
