/// A session that has moved to a younger connection can have its context prepared there before its next turn asks for
/// it: the whole history with `generate:false`. It costs the whole input once for each move, so it is for those who
/// ask for it, and for sessions that were lately active.
///
/// It is a turn of the machine's own, of which nobody hears; a turn that is started meanwhile waits for it. What it makes
/// is no part of the history, but the next turn continues it.
extension ClientMachine {
  private static let primingIDs: UInt64 = 3 << 62

  func prime(_ session: SessionState, _ now: Instant) {
    let chain = session.chain
    guard limits.primesRotation, session.isIdle, !session.isClosed, let anchor = chain.anchor, !anchor.isStored,
      // Nothing may follow a call but its output.
      chain.history.openCalls.isEmpty, !chain.history.isEmpty,
      now.nanoseconds(since: session.lastUse) <= limits.primingNanoseconds, holds(.movedIsPrimed)
    else { return }
    let lastUse = session.lastUse
    let id = TurnID(Self.primingIDs | nextSuccessor)
    nextSuccessor += 1
    counters.primingCount += 1
    let request = TurnRequest(
      id: id, content: .new(TurnInput()), settings: chain.lastSettings ?? session.settings, isWarmUp: true,
      isPriming: true, limits: TurnLimits(firstEvent: nil, eventGap: nil, total: limits.primingLimitNanoseconds), recovery: .none)
    start(request, in: session.id, now: now)
    session.lastUse = lastUse
  }

  /// The lane holds the context now, as that response; the history is what it was.
  func commitPriming(_ turn: ActiveTurn, _ response: ResponseFields, at seat: Seat) {
    guard !response.idText.isEmpty else { return }
    turn.session.chain.continuePriming(response.idText, at: seat)
  }
}
