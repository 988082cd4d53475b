import RWSProtocol

/// What must hold (the invariants of the machine's table).
extension World {
  func ended(_ id: TurnID, _ end: TurnEnd) {
    guard let turn = turns[id] else { return Violation.report("the end of no turn") }
    let agent = turn.agent
    turn.ends += 1
    turn.end = end
    turn.contextBefore = turn.givenHistory ?? agent.history
    if turn.isAbandoning { abandonCalls(turn) }
    trace(
      "\(turn.tag) of session \(agent.id.value) ended \(end.outcome) \(end.error.map { "\($0.status), \($0.execution): \($0.message.prefix(60))" } ?? "") \(turn.responseID) \(end.stats.fullReason.map { "full: \($0)" } ?? "delta")")
    agent.line.removeAll { $0 == id }
    judgeWhatWasTold(turn, end)
    agent.inputTokens += end.stats.cost.inputTokens ?? 0
    if let loss = end.stats.cost.contextLoss {
      Violation.report("\(turn.tag): no context was lost, but \(loss)")
    }
    switch end.outcome {
    case .completed, .incomplete: commit(turn, end)
    case .failed, .cancelled, .running:
      // For one over HTTP the session leaves its lane, be it that nothing is sent.
      let hasLeft = turn.connection != nil || turn.transport != .webSocket
      agent.isInterrupted = agent.isInterrupted || hasLeft
    }
    resends += turn.resends.count
    guard !agent.isClosed else { return }
    let pause = conditions.isLong && !hasFaults ? 3_000 : 200
    clock.after(Int64(random.below(pause))) { [self] in startTurn(agent) }
  }

  private func commit(_ turn: SimTurn, _ end: TurnEnd) {
    let agent = turn.agent
    let executions = server.executions[turn.tag] ?? []
    if turn.isWarmUp, turn.responseID.isEmpty, turn.transport != .webSocket { return keep(turn) }
    guard let execution = executions.first(where: { $0.responseID == turn.responseID }) else {
      return Violation.report("\(turn.tag) ended well with a response that was not made for it")
    }
    if execution.parent != turn.parent {
      Violation.report("\(turn.tag) follows \(execution.parent ?? "nothing") instead of \(turn.parent ?? "nothing")")
    }
    judge(execution, of: turn)
    judgeFullResend(turn, end)
    if execution.isDelta != end.stats.isDelta {
      Violation.report("\(turn.tag) says that it was \(end.stats.isDelta ? "a delta" : "full"), and was not")
    }
    judgeCacheBreak(turn, end)
    if !hasFaults, !turn.isSuccessor || agent.remaining > 0 { agent.remaining -= turn.isSuccessor ? 0 : 1 }
    // What breaks off in a call cannot be continued: it is dropped, as over HTTP.
    guard !execution.output.contains(where: { items[$0].isUnfinished }) else { return }
    let input = turn.input.filter { items[$0].type != "compaction_trigger" }
    agent.history = (turn.contextBefore ?? []) + input + execution.output
    agent.openCalls = execution.output.filter { items[$0].isCall }
    agent.committed = turn.wanted
    // A successor has its settings.
    agent.committedTag = String(turn.tag.prefix { $0 != "+" })
    agent.isInterrupted = false
    agent.hasLane = conditions.lanes == .supported && (conditions.areLanesKnown || isEchoSeen)
    agent.lastConnection = turn.connection
    agent.lastEnd = clock.now
    agent.isChainStored = turn.isStored && (!end.stats.isDelta || agent.isChainStored)
  }

  /// Over HTTP there is nothing to warm up: the input goes with the next turn.
  private func keep(_ turn: SimTurn) {
    let agent = turn.agent
    if !hasFaults { agent.remaining -= 1 }
    agent.history = (turn.contextBefore ?? []) + turn.input.filter { !items[$0].isTrigger }
    agent.openCalls = []
    agent.isChainStored = false
  }

  /// What it left unanswered of the last response is not seen any more.
  private func abandonCalls(_ turn: SimTurn) {
    let answered = Set(turn.input.compactMap { items[$0].callID })
    let given = turn.agent.openCalls.filter { !answered.contains(items[$0].callID ?? "") }
    turn.contextBefore?.removeAll { given.contains($0) }
  }

  /// The books of a session are the sum of its turns'.
  func judgeLedger(_ agent: Agent) {
    let ledger = machine.ledger(agent.id)
    if ledger.inputTokens != agent.inputTokens, !agent.hasDoubtfulCosts {
      Violation.report(
        "session \(agent.id.value): the ledger has \(ledger.inputTokens) tokens of input, its turns \(agent.inputTokens)")
    }
  }

  /// 3 and 4: what the model saw is what the caller would have sent over HTTP.
  private func judge(_ execution: ModelServer.Execution, of turn: SimTurn) {
    let expected = (turn.contextBefore ?? []) + turn.input
    let context = withoutDoubtfulSteers(execution, turn)
    if let difference = items.difference(
      context, expected, isVerbatim: !turn.agent.manner.rewrites)
    {
      Violation.report(
        "\(turn.tag) (\(execution.isDelta ? "delta" : "full")): of what the model saw \(difference)")
    }
    let wanted = ModelServer.Instructions(
      model: turn.wanted.model, instructions: turn.wanted.instructions, tools: turn.wanted.tools)
    if execution.settings != wanted {
      Violation.report("\(turn.tag): the model had \(execution.settings) instead of \(wanted)")
    }
  }

  /// Of the steers of a turn that did not end well, or not with this response, the caller was told that nobody knows.
  private func withoutDoubtfulSteers(_ execution: ModelServer.Execution, _ turn: SimTurn) -> [Int] {
    guard turn.end?.error != nil || execution.responseID != turn.responseID else {
      return execution.context
    }
    let doubtful = Set(
      steers.values.filter { if case .unknown = $0.state { true } else { false } }.map(\.item))
    return execution.context.filter { !doubtful.contains($0) }
  }

  /// The whole history goes out again only where it must.
  private func judgeFullResend(_ turn: SimTurn, _ end: TurnEnd) {
    guard let reason = end.stats.fullReason else { return }
    if reason == .rotated { judgeUnprimed(turn) }
    switch reason {
    case .first, .notFound, .unfinishedCall, .prefixChanged, .instructionsChanged, .callsAbandoned,
      .compacted, .restored, .rotated:
      return
    case .reconnected, .laneReused, .cancelled, .failed, .evicted, .elsewhere, .http: break
    }
    // Where its source's steers are pending, a fork goes elsewhere.
    if turn.agent.isChainStored, reason != .elsewhere {
      Violation.report("\(turn.tag): the server had stored what was sent again (\(reason))")
    }
    // Whose steer had no answer in time has left its lane, for a late successor may take the context's place there.
    let hasLeft = steers.values.contains {
      if case .unknown = $0.state { $0.agent === turn.agent } else { false }
    }
    guard !hasLeft, reason != .http else { return }
    let isStillThere = turn.agent.lastConnection.flatMap { links[$0] }.map { $0.limitTold == nil } ?? false
    guard !hasFaults, !turn.agent.isInterrupted, turn.agent.remaining == 1, liveAgents.count <= 16,
      turn.agent.hasLane, isStillThere
    else { return }
    Violation.report("\(turn.tag): sent again without need (\(reason))")
  }

  // MARK: Slow readers

  /// Those whose requests are on the connection and have not ended.
  private func running(on connection: ConnectionID) -> [SimTurn] {
    turns.values.filter { $0.connection == connection && $0.ends == 0 }
  }

  func judgePause(_ connection: ConnectionID) {
    if links[connection]?.isPaused == true, running(on: connection).count > 1 {
      Violation.report("connection \(connection.value) is paused, though others wait for its events")
    }
  }

  /// When what is under way has come.
  func judgeLater(_ turn: SimTurn) {
    guard isAlone(turn) else { return }
    clock.after(60) { [self] in
      guard turn.isUnread, isAlone(turn), let link = turn.connection.flatMap({ links[$0] }) else { return }
      if !link.isPaused { Violation.report("\(turn.tag) is not read, and its connection is not paused") }
    }
  }

  private func isAlone(_ turn: SimTurn) -> Bool {
    guard turn.ends == 0, let connection = turn.connection, let link = links[connection] else { return false }
    // Whose steer has no answer yet may still get a successor there.
    let isOtherDue = steers.values.contains { $0.agent !== turn.agent && !$0.state.isSettled }
    // Nor is it known whether the server has got what was cancelled.
    let isOtherCancelled = turns.values.contains {
      $0.connection == connection && $0.end?.outcome == .cancelled
    }
    // Its own requests the client does not tell of.
    let isOtherPrimed = primings.values.contains { $0.connection == connection }
    return !isOtherDue && !isOtherCancelled && !isOtherPrimed && running(on: connection).count == 1 && link.server?.busyLanes == 1 && !link.isHalfOpen
  }

  // MARK: Cache breaks

  private func judgeCacheBreak(_ turn: SimTurn, _ end: TurnEnd) {
    guard !turn.isSuccessor, let before = turn.agent.committed else { return }
    let wanted = turn.wanted
    let expected =
      before.model != wanted.model
      ? "model" : before.tools != wanted.tools ? "tools" : before.instructions != wanted.instructions ? "instructions" : nil
    guard end.stats.cacheBreak?.prefix(while: { $0 != "[" }) == expected.map({ $0[...] }) else {
      return Violation.report(
        "\(turn.tag): cache break \(end.stats.cacheBreak ?? "none") instead of \(expected ?? "none")")
    }
  }

  private func judgeWhatWasTold(_ turn: SimTurn, _ end: TurnEnd) {
    // 2: its own events, in order.
    if let problem = turn.orderProblem { Violation.report("\(turn.tag): \(problem)") }
    let newKeys = turn.resends.count { $0 == "key_refused" }
    if newKeys > 1 || turn.resends.count - newKeys > turn.resendsMax
      || turn.resends.count(where: { $0 == "previous_response_not_found" }) > 1
      || turn.resends.count(where: { $0 == "lane_refused" }) > 1
    {
      Violation.report("\(turn.tag) was sent again too often: \(turn.resends)")
    }
    // What may run twice is the policy's to allow.
    let mayRepeat = turn.replay == .always || turn.replay == .safe && !turn.isStored
    if turn.replays > 0, !mayRepeat {
      Violation.report("\(turn.tag) was replayed under \(turn.replay)")
    }
    judgePace(turn)
    judgeLookup(turn, end)
    guard let error = end.error, end.outcome == .failed, !turn.isStrict else { return }
    judgeKey(turn, error)
    if error.param == "stream_id", turn.resends.count < turn.resendsMax {
      Violation.report("\(turn.tag) ended because of the lane's name")
    }
    judgeGivenUp(turn, error)
    guard turn.resends.isEmpty, turn.resendsMax > 0 else { return }
    // What the client can repair by itself is not the caller's matter.
    switch error.status {
    case .previousResponseNotFound, .connectionLimit:
      Violation.report("\(turn.tag) ended with \(error.status)")
    case .connectionLost, .peerClosed:
      if error.execution == .notSent, hasConnected, hasTime(turn) { Violation.report("\(turn.tag) was not sent, nor sent again") }
    default: break
    }
  }

  /// When everything is over.
  func judgeEnd() {
    guard Violation.found.isEmpty else { return }
    for turn in turns.values.sorted(by: { $0.tag < $1.tag }) {
      if turn.ends != 1 { Violation.report("\(turn.tag) ended \(turn.ends) times") }
      let executions = server.executions[turn.tag] ?? []
      // 1: at most once, and once more for each replay that the caller was told of. A turn that ran twice may have been
      // followed twice, each time by another successor of that name.
      let runs = Dictionary(grouping: executions, by: \.parent)
      if let count = runs.values.map(\.count).max(), count > 1 + turn.replays {
        Violation.report("\(turn.tag) ran \(count) times, with \(turn.replays) replays")
      }
      // Whether it may have run is told truly.
      if let error = turn.end?.error, !executions.isEmpty, error.execution < .unknown {
        Violation.report("\(turn.tag) ran, but its error says \(error.execution)")
      }
      if let error = turn.end?.error, !turn.hadOutput, turn.lookup == nil, error.execution > .unknown {
        Violation.report("\(turn.tag) showed nothing, but its error says \(error.execution)")
      }
      for execution in runs[turn.parent] ?? [] { judge(execution, of: turn) }
    }
    for steer in steers.values.sorted(by: { $0.id.value < $1.id.value }) {
      let applied = server.appliedSteers[Int(steer.id.value)] ?? 0
      switch steer.state {
      case .committed where applied == 1, .returned where applied == 0, .unknown where applied <= 1: break
      case .committed, .returned, .unknown, .queued, .sent, .accepted, .pending:
        Violation.report("steer-\(steer.id.value) is \(steer.state), and was used \(applied) times")
      }
    }
  }
}
