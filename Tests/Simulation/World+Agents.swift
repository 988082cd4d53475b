import RWSJSON
import RWSProtocol

/// What the callers do.
extension World {
  func openSession(forkOf source: Agent?) {
    let agent = Agent(makeSessionID())
    agent.isStored = random.oneIn(4)
    agent.manner.isWhole = random.oneIn(3)
    agent.manner.rewrites = agent.manner.isWhole && random.oneIn(2)
    agent.manner.steers = random.oneIn(2)
    agent.manner.isHasty = random.oneIn(4)
    agent.manner.isSlow = random.oneIn(4)
    if conditions.keepsInstructions || random.oneIn(3) { agent.instructions = "be brief" }
    if let source {
      agent.manner.isWhole = source.manner.isWhole
      agent.manner.rewrites = source.manner.rewrites
      agent.history = source.history
      agent.openCalls = source.openCalls
      agent.isStored = source.isStored
      (agent.model, agent.instructions, agent.tools) = (source.model, source.instructions, source.tools)
      agent.committed = source.committed
      agent.committedTag = source.committedTag
      agent.isChainStored = source.isChainStored
      machine.fork(source.id, as: agent.id, now: now)
    } else {
      machine.open(
        agent.id, settings: agent.settings(turn: ""), route: RouteID(1), dialect: dialect,
        asksForKey: conditions.asksForKey, now: now)
      if random.oneIn(4) { machine.connect(agent.id, now: now) }
    }
    agents[agent.id] = agent
    trace("session \(agent.id.value) opened\(source.map { ", a fork of \($0.id.value)" } ?? "") \(agent.manner)")
    perform()
    clock.after(Int64(random.below(200))) { [self] in startTurn(agent) }
  }

  func close(_ agent: Agent) {
    trace("session \(agent.id.value) closes")
    judgeLedger(agent)
    agent.isClosed = true
    machine.close(agent.id, now: now)
    perform()
  }

  private func recovery(_ turn: SimTurn) -> RecoveryOptions {
    var recovery = RecoveryOptions()
    recovery.replay = turn.replay
    recovery.resendsMax = turn.resendsMax
    recovery.backoffBase = 50
    recovery.backoffMax = 1000
    return recovery
  }

  func startTurn(_ agent: Agent) {
    guard !agent.isClosed, agent.line.isEmpty || agent.manner.isHasty && agent.line.count < 3,
      hasFaults || agent.remaining > 0
    else { return }
    if conditions.changesSettings { changeSettings(agent) }
    let id = makeTurnID()
    let turn = SimTurn(id, tag: "turn-\(id.value)", agent, wanted: agent.wanted, start: clock.now)
    add(turn)
    agent.line.append(id)
    turn.isWarmUp = random.oneIn(12)
    turn.isStrict = random.oneIn(30) && hasFaults
    turn.replay = [.never, .safe, .safe, .always][random.below(4)]
    if hasFaults { turn.resendsMax = [0, 1, 4, 4][random.below(4)] }
    // Who has no limit may wait for as long as the server asks.
    turn.total = hasFaults && !random.oneIn(8) ? 15_000 : .max
    let ownTransport: TransportChoice? =
      conditions.mixesTransports && random.oneIn(2) ? [.webSocket, .http, .automatic][random.below(3)] : nil
    turn.transport = ownTransport ?? conditions.transport
    turn.input = newItems(agent, turn)
    let limits = TurnLimits(
      firstEvent: random.oneIn(10) && hasFaults ? Int64(random.below(60)) : 10_000, eventGap: 10_000,
      total: turn.total == .max ? nil : turn.total)
    let content: TurnRequest.Content
    do {
      content = try self.content(agent, turn)
    } catch {
      return Violation.report("input refused: \(error)")
    }
    trace(
      "\(turn.tag) of session \(agent.id.value) starts\(ownTransport.map { ", over \($0)" } ?? "")\(turn.isWarmUp ? ", a warm-up" : "")\(turn.changedHistory == nil ? "" : ", another history")")
    let request = TurnRequest(
      id: id, content: content, settings: agent.settings(turn: turn.tag), isWarmUp: turn.isWarmUp,
      isStrict: turn.isStrict, isAbandoningCalls: turn.isAbandoning,
      transport: ownTransport, limits: limits,
      recovery: recovery(turn))
    machine.start(request, in: agent.id, now: now)
    perform()
    if agent.manner.steers, conditions.canSteer || random.oneIn(4) {
      for _ in 0..<random.below(3) {
        clock.after(Int64(random.below(300))) { [self] in steer(turn) }
      }
    }
    if agent.manner.isHasty, random.oneIn(4) {
      clock.after(Int64(random.below(100))) { [self] in startTurn(agent) }
    }
    guard hasFaults, random.oneIn(8) else { return }
    clock.after(Int64(random.below(300))) { [self] in
      guard hasFaults, turn.ends == 0 else { return }
      trace("\(turn.tag) is cancelled")
      machine.cancel(id, now: now)
      perform()
    }
  }

  private func changeSettings(_ agent: Agent) {
    if random.oneIn(8) { agent.instructions = random.oneIn(3) ? nil : "style \(random.below(3))" }
    if random.oneIn(8) {
      agent.tools = random.oneIn(3) ? nil : #"[{"type":"function","name":"f\#(random.below(3))"}]"#
    }
    if random.oneIn(12) { agent.model = "m\(random.below(2))" }
    if random.oneIn(25) { agent.isStored.toggle() }
  }

  private func newItems(_ agent: Agent, _ turn: SimTurn) -> [Int] {
    // Those behind another turn do not know what it will bring.
    var calls = agent.line.count > 1 ? [] : agent.openCalls
    // A careless caller forgets an output.
    if hasFaults, random.oneIn(40), !agent.manner.isWhole { calls = Array(calls.dropLast()) }
    if !calls.isEmpty, !agent.manner.isWhole, random.oneIn(6) {
      turn.isAbandoning = true
      calls.removeAll { _ in random.oneIn(2) }
    }
    var texts = calls.map { number in
      let call = items[number]
      return
        #"{"type":"\#(call.type)_output","call_id":"\#(call.callID ?? "")","output":"{\"a\":1.0}"}"#
    }
    texts.append(#"{"type":"message","role":"user","content":"\#(turn.tag)"}"#)
    if conditions.compacts, !turn.isWarmUp, random.oneIn(12) {
      texts.append(#"{"type":"compaction_trigger"}"#)
    }
    return texts.map(items.intern)
  }

  private func content(_ agent: Agent, _ turn: SimTurn) throws -> TurnRequest.Content {
    let new = turn.input.map { items[$0].text }
    guard agent.manner.isWhole else {
      return .new(try TurnInput(json: Array(("[" + new.joined(separator: ",") + "]").utf8)))
    }
    var before = agent.history
    let isAlone = agent.line.count == 1
    if isAlone, random.oneIn(15), let first = before.first, items[first].type == "message", !items[first].isModelMade {
      before[0] = items.intern(#"{"type":"message","role":"user","content":"edited by \#(turn.tag)"}"#)
      turn.changedHistory = cleaned(before)
    } else if isAlone, random.oneIn(10), let window = before.lastIndex(where: { items[$0].type == "compaction" }), window > 0 {
      before.removeFirst(window)
      turn.changedHistory = cleaned(before)
    }
    // What is sent whole is the caller's own word: it leaves out what the service refuses.
    before = turn.changedHistory ?? before
    turn.givenHistory = before
    let all = before.map { agent.form(of: $0, in: items) } + new
    let json = Array(("[" + all.joined(separator: ", ") + "]").utf8)
    let history = machine.history(agent.id)
    return .whole(try json.withUnsafeBytes { try WholeHistory($0, against: history) })
  }

  private func cleaned(_ history: [Int]) -> [Int] {
    items.view(history).map { number in
      let text = items[number].text
      return items.intern(
        text.replacingOccurrences(#","created_by":"a""#).replacingOccurrences(#","namespace":null"#))
    }
  }

  // MARK: Steering

  private func steer(_ turn: SimTurn) {
    // Also a little too late.
    guard !turn.agent.isClosed, turn.ends == 0 || random.oneIn(4) else { return }
    let id = SteerID(UInt64(steers.count + 1))
    let text = #"{"type":"message","role":"user","content":"steer-\#(id.value)"}"#
    guard let input = try? TurnInput(json: Array("[\(text)]".utf8)) else { return }
    steers[id] = SimSteer(id, turn.agent, item: items.intern(text))
    turn.isSteered = true
    trace("steer-\(id.value) for \(turn.tag)")
    machine.steer(
      turn.id, as: id, input, responseID: random.oneIn(2) && turn.ends == 0 ? turn.responseID : "", now: now)
    perform()
  }

  func steered(_ id: SteerID, _ state: Steer.State) {
    guard let steer = steers[id] else { return Violation.report("the state of no steer") }
    trace("steer-\(id.value) is \(state)".prefixLine)
    if steer.state.isSettled { Violation.report("steer-\(id.value) was \(steer.state), then \(state)") }
    steer.state = state
    guard case .committed = state else { return }
    guard let turn = steer.agent.line.first.flatMap({ turns[$0] }) else {
      return Violation.report("steer-\(id.value) is committed to no turn")
    }
    turn.putAhead(steer.item)
  }

  /// What the server says of a steer that waits for its caller's outputs.
  func pendingSteer(failedIn text: String) -> SimSteer? {
    guard text.holds("response.steer.failed"), let id = (try? JSONValue(parsing: text))?["steer"]?["id"]?.string,
      let steer = server.steerNumbers[id].flatMap({ steers[SteerID(UInt64($0))] }), case .pending = steer.state
    else { return nil }
    return steer
  }

  func judgeFailed(_ steer: SimSteer) {
    if case .returned = steer.state { return }
    Violation.report("steer-\(steer.id.value) has failed, and its caller was told that it is \(steer.state)")
  }

  func succeeded(_ first: TurnID, _ second: TurnID) {
    guard let turn = turns[first] else { return Violation.report("the successor of no turn") }
    if turn.ends != 1 { Violation.report("\(turn.tag) has a successor before it has ended") }
    let successor = SimTurn(
      second, tag: ServerConnection.successor(of: turn.tag), turn.agent, wanted: turn.wanted, start: clock.now)
    successor.resendsMax = 0
    successor.transport = turn.transport
    successor.parent = turn.responseID
    successor.connection = turn.connection
    add(successor)
    turn.agent.line.insert(second, at: 0)
    trace("\(successor.tag) follows by itself")
    if turn.agent.manner.steers, random.oneIn(4) {
      clock.after(Int64(random.below(200))) { [self] in steer(successor) }
    }
  }

  /// Reads a while later.
  func slowDown(_ turn: SimTurn) {
    guard turn.agent.manner.isSlow, hasFaults, turn.ends == 0, random.oneIn(8) else { return }
    turn.isUnread = true
    machine.setUnread(true, turn.id, now: now)
    judgeLater(turn)
    clock.after(Int64(random.below(600))) { [self] in
      turn.isUnread = false
      guard turn.ends == 0 else { return }
      if random.oneIn(10) {
        machine.abandonUnread(turn.id, now: now)
      } else {
        machine.setUnread(false, turn.id, now: now)
      }
      perform()
    }
  }
}

extension String {
  fileprivate func replacingOccurrences(_ part: String) -> String {
    holds(part) ? split(separator: part, omittingEmptySubsequences: false).joined() : self
  }

  fileprivate var prefixLine: String { String(prefix(160)) }
}
