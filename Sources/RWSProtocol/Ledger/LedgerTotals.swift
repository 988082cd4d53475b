/// Sums over a session's turns, those that failed too: they were paid as well.
package struct LedgerTotals: Equatable, Sendable {
  package var turnCount = 0
  /// Turns that had a history to send or to leave out, and those of them that left it out.
  package var continuationCount = 0
  package var deltaCount = 0
  package var resendCount = 0
  /// Turns of which the server reported no usage: the tokens lack them.
  package var unreportedCount = 0

  package var inputTokens: Int64 = 0
  package var cachedTokens: Int64 = 0
  package var outputTokens: Int64 = 0
  package var reasoningTokens: Int64 = 0

  package var sentBytes = 0
  package var httpBytes = 0

  /// From 0 to 1; nil: no turn had a history.
  package var deltaHitRate: Double? {
    continuationCount > 0 ? Double(deltaCount) / Double(continuationCount) : nil
  }

  mutating func add(_ turn: LedgerTurn, _ cost: TurnCost, hadHistory: Bool) {
    turnCount &+= 1
    if hadHistory { continuationCount &+= 1 }
    if hadHistory, turn.isDelta { deltaCount &+= 1 }
    resendCount &+= turn.resendCount
    if cost.inputTokens == nil { unreportedCount &+= 1 }
    inputTokens &+= cost.inputTokens ?? 0
    cachedTokens &+= cost.cachedTokens ?? 0
    outputTokens &+= cost.outputTokens ?? 0
    reasoningTokens &+= cost.reasoningTokens ?? 0
    sentBytes &+= turn.sentBytes
    httpBytes &+= turn.httpBytes
  }
}
