import RWSProtocol

/// The machine's own requests, which prepare a session's context on the connection that it has moved to.
extension World {
  /// Nobody hears of those turns.
  func isPriming(_ id: TurnID) -> Bool { id.value >> 62 == 3 }

  /// What is prepared is what the session's last turn left, as it would go out with its next one.
  func judgePriming(_ body: [UInt8], _ id: TurnID, on connection: ConnectionID) {
    guard let request = ServerRequest(body) else { return Violation.report("what is prepared is no request") }
    let input = request.input.map(items.intern)
    // Forks may still be where their source is or was.
    let agents = liveAgents.filter { $0.committedTag == request.turn }
    let differences = agents.map { items.difference(input, $0.history, isVerbatim: !$0.manner.rewrites) }
    trace("the context of \(agents.map(\.id.value)) is prepared")
    if !conditions.primes || !request.isWarmUp || request.previous != nil {
      Violation.report("what is prepared after \(request.turn) is \(request.names)")
    }
    guard let index = differences.firstIndex(of: nil) else {
      return Violation.report("of what is prepared after \(request.turn) \(differences.first.flatMap(\.self) ?? "nothing is anybody's")")
    }
    primings[id] = (agents[index], connection)
    for agent in agents where agents.count > 1 { agent.hasDoubtfulCosts = true }
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
