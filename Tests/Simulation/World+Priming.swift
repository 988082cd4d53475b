import RWSProtocol

/// The machine's own requests, which prepare a session's context on the connection that it has moved to.
extension World {
  /// Nobody hears of those turns.
  func isPriming(_ id: TurnID) -> Bool { id.value >> 62 == 3 }

  /// What is prepared is what the session's last turn left, as it would go out with its next one.
  func judgePriming(_ body: [UInt8], _ id: TurnID) {
    guard let request = ServerRequest(body), let turn = turnsByTag[request.turn] else {
      return Violation.report("something is prepared for no session")
    }
    let agent = turn.agent
    primings[id] = agent
    trace("session \(agent.id.value): its context is prepared")
    if !conditions.primes || !request.isWarmUp || request.previous != nil || agent.isClosed {
      Violation.report("session \(agent.id.value): what is prepared is \(request.names)")
    }
    if let difference = items.difference(
      request.input.map(items.intern), agent.history, isVerbatim: !agent.manner.rewrites)
    {
      Violation.report("session \(agent.id.value): of what is prepared \(difference)")
    }
  }

  /// Who was idle when it moved should have been prepared.
  func judgeUnprimed(_ turn: SimTurn) {
    let agent = turn.agent
    guard conditions.primes, conditions.isLong, conditions.lanes == .supported, conditions.areLanesKnown,
      conditions.transport == .webSocket, turn.start > Self.faultsEnd, agent.remaining < lastTurns - 1,
      !agent.manner.isHasty, !agent.manner.steers, !turn.isStored, !agent.isChainStored, agent.openCalls.isEmpty,
      turn.start - agent.lastEnd < Self.primingTime
    else { return }
    Violation.report("\(turn.tag): its session has moved, and its context was not prepared")
  }
}
