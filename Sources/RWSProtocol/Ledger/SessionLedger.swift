/// What a session's turns have taken, those that failed too: they were paid as well. Turns that were never sent do
/// not count.
public struct SessionLedger: Equatable, Sendable {
  public internal(set) var turnCount = 0
  /// Turns that had a history to send or to leave out, and those of them that left it out.
  public internal(set) var continuationCount = 0
  public internal(set) var deltaCount = 0
  public internal(set) var resendCount = 0
  /// Turns of which the server reported no usage: the tokens lack them.
  public internal(set) var unreportedCount = 0
  /// Turns before which the server had silently lost the context.
  public internal(set) var contextLossCount = 0

  public internal(set) var inputTokens: Int64 = 0
  public internal(set) var cachedTokens: Int64 = 0
  public internal(set) var outputTokens: Int64 = 0
  public internal(set) var reasoningTokens: Int64 = 0

  /// Requests as sent, each sending counted.
  public internal(set) var sentBytes = 0
  /// What HTTP would have sent: settings and whole history with each turn.
  public internal(set) var httpBytes = 0

  /// What the next turn's input begins with: input and output of the last response; nil: not known.
  public internal(set) var contextTokens: Int64?

  /// From 0 to 1; nil: no turn had a history.
  public var deltaHitRate: Double? {
    continuationCount > 0 ? Double(deltaCount) / Double(continuationCount) : nil
  }

  mutating func add(_ turn: LedgerTurn, _ cost: TurnCost, hadHistory: Bool) {
    turnCount &+= 1
    if hadHistory { continuationCount &+= 1 }
    if hadHistory, turn.isDelta { deltaCount &+= 1 }
    resendCount &+= turn.resendCount
    if cost.inputTokens == nil { unreportedCount &+= 1 }
    if cost.contextLoss != nil { contextLossCount &+= 1 }
    inputTokens &+= cost.inputTokens ?? 0
    cachedTokens &+= cost.cachedTokens ?? 0
    outputTokens &+= cost.outputTokens ?? 0
    reasoningTokens &+= cost.reasoningTokens ?? 0
    sentBytes &+= turn.sentBytes
    httpBytes &+= turn.httpBytes
  }
}
