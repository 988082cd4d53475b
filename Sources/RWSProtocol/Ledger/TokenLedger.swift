import RWSTokens

/// The books of a session: what each turn took, what all took, what the context holds, and what items that are
/// not sent yet will take. Its size does not depend on the number of turns.
package struct TokenLedger: Equatable, Sendable {
  package private(set) var totals = SessionLedger()
  /// Nil: at the start, after a compaction, and where the server reported no usage.
  private var context: KnownContext?
  private var hasHistory = false
  private var calibration = Calibration()

  package init() {}

  /// Tokens that the next turn's input begins with: input and output of the last response.
  package var contextTokens: Int64? { context?.tokens }

  package var snapshot: SessionLedger {
    var snapshot = totals
    snapshot.contextTokens = contextTokens
    return snapshot
  }

  /// For a fork: what is known, and totals of its own.
  package func forked() -> TokenLedger {
    var fork = self
    fork.totals = SessionLedger()
    return fork
  }

  /// The chain begins anew, with another window (compaction) or none.
  package mutating func rebase(hasHistory: Bool) {
    context = nil
    self.hasHistory = hasHistory
  }

  // MARK: Turns

  /// The turn committed: its items belong to the chain.
  package mutating func commit(_ turn: LedgerTurn) -> TurnCost {
    var cost = TurnCost(turn.usage)
    if turn.replacesHistory { context = nil }
    if let input = cost.inputTokens, let context {
      cost.marginalInputTokens = input &- context.tokens
      // Some gateways leave what came from the cache out of the input.
      if let floor = context.floor(of: turn), max(input, cost.cachedTokens ?? 0) < floor {
        cost.contextLoss = ContextLoss(inputTokens: input, expectedTokens: floor)
      }
    } else if !hasHistory {
      cost.marginalInputTokens = cost.inputTokens
    }
    learn(from: turn, cost)
    context = contextAfter(turn, cost)
    totals.add(turn, cost, hadHistory: hasHistory)
    hasHistory = true
    return cost
  }

  /// The turn did not commit; the chain is as before, but the turn was paid.
  package mutating func abandon(_ turn: LedgerTurn) -> TurnCost {
    let cost = TurnCost(turn.usage)
    totals.add(turn, cost, hadHistory: hasHistory)
    return cost
  }

  private mutating func learn(from turn: LedgerTurn, _ cost: TurnCost) {
    if let output = cost.outputTokens, let reasoning = cost.reasoningTokens ?? turn.reasoningIfNone {
      calibration.learn(output: turn.output, tookTokens: output &- reasoning)
    }
    guard let context, let marginal = cost.marginalInputTokens, turn.changes.isEmpty,
      cost.contextLoss == nil
    else { return }
    calibration.learn(
      input: turn.input, tookTokens: marginal,
      reasoningMayHaveGone: context.passingTokens > 0)
  }

  private func contextAfter(_ turn: LedgerTurn, _ cost: TurnCost) -> KnownContext? {
    // How much a compaction, or a hosted tool, left shows in the next usage.
    guard let input = cost.inputTokens,
      turn.changes.isDisjoint(with: [.compaction, .hostedTools])
    else { return nil }
    // After a loss, or a truncation, the chain's text is not what the server has.
    let isKept = cost.contextLoss == nil && turn.changes.isDisjoint(with: .truncation)
    let before = isKept ? context : nil
    let inputText = (before?.text ?? TextMeasure()) + turn.input
    let isComplete = before != nil || !hasHistory || turn.replacesHistory
    var settings: Int64 = 0
    if let before, turn.changes.isDisjoint(with: [.settings, .model]) {
      settings = before.settingsTokensMin
    } else if isComplete {
      settings = KnownContext.settingsTokensMin(
        of: input &- (before?.passingTokens ?? 0), with: inputText)
    }
    // Of a response that broke off the items are known to stay, not every token that was generated.
    let passing = turn.isIncomplete ? cost.outputTokens : cost.reasoningTokens
    return KnownContext(
      inputTokens: input, outputTokens: cost.outputTokens ?? 0,
      passingTokens: (before?.passingTokens ?? 0) &+ (passing ?? 0),
      text: inputText + turn.output, settingsTokensMin: settings)
  }

  // MARK: Estimates

  /// Tokens that items will take in the input.
  package func estimate(_ items: TextMeasure) -> TokenEstimate { calibration.estimate(items) }

  /// Tokens of the next turn's input if it adds `items`; nil where the context's size is not known.
  package func estimateInput(adding items: TextMeasure) -> TokenEstimate? {
    guard let context else { return nil }
    let added = estimate(items)
    return TokenEstimate(
      tokens: context.tokens &+ added.tokens, low: context.tokensMin &+ added.low,
      high: context.tokens &+ added.high, uncountableParts: added.uncountableParts)
  }
}

extension TurnCost {
  /// More than any model counts, and sums of it do not overflow.
  private static let countLimit: Int64 = 1 << 40

  init(_ usage: Usage?) {
    guard let usage else { return }
    // Some servers report zeros for what they did not count; no response has an empty input.
    inputTokens = Self.known(usage.inputTokens).flatMap { $0 > 0 ? $0 : nil }
    cachedTokens = Self.known(usage.cachedTokens)
    outputTokens = Self.known(usage.outputTokens)
    reasoningTokens = Self.known(usage.reasoningTokens)
  }

  private static func known(_ count: Int64) -> Int64? {
    count >= 0 ? min(count, countLimit) : nil
  }
}
