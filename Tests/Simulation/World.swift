import RWSJSON
import RWSProtocol

/// One run: the real machine, a simulated network and clock, agents that do what agents do, and seeded faults.
///
/// First a phase in which anything may fail and nothing that must hold may be violated, then one without faults in
/// which everything must finish.
final class World {
  private var random: SeededRandom
  private let clock = Clock()
  private let machine: ClientMachine
  private let server: ModelServer
  private let dialect: Dialect
  private var links: [ConnectionID: SimLink] = [:]
  private var agents: [SessionID: Agent] = [:]
  private var turns: [TurnID: SimTurn] = [:]
  private var turnsByTag: [String: SimTurn] = [:]
  private var nextTurn: UInt64 = 0
  private var nextSession: UInt64 = 0
  private var hasFaults = true
  private var isPerforming = false
  private(set) var turnCount = 0

  init(seed: UInt64) {
    random = SeededRandom(seed: seed)
    let hasLanes = random.below(4) > 0
    server = ModelServer(seed: random.next(), hasLanes: hasLanes)
    var dialect = Dialect()
    dialect.lanes = random.oneIn(2) ? .unknown : hasLanes ? .supported : .unsupported
    self.dialect = dialect
    var limits = PoolLimits()
    limits.connectionsMax = 1 + random.below(6)
    limits.connectBurst = 1 + random.below(4)
    limits.connectIntervalNanoseconds = 100
    limits.idleNanoseconds = 5_000
    machine = ClientMachine(limits: limits)
  }

  func run() {
    server.wasEndKnown = { [unowned self] turn, time in
      (turnsByTag[turn]?.terminalSeen ?? .max) < time
    }
    for _ in 0...random.below(10) { openSession(forkOf: nil) }
    clock.after(0) { [self] in disturb() }
    let faultsEnd: Int64 = 6_000
    while step(until: faultsEnd) {}
    clock.skip(to: faultsEnd)
    hasFaults = false
    for agent in agents.values { agent.remaining = 2 }
    for id in agents.keys.sorted(by: { $0.value < $1.value }) { startTurn(id) }
    // Two more turns of each agent must end well; the longest limit of a turn is far below this.
    while step(until: faultsEnd + 200_000) {}
    for turn in turns.values.sorted(by: { $0.tag < $1.tag }) where turn.ends != 1 {
      Violation.report("\(turn.tag) ended \(turn.ends) times")
    }
    for (id, agent) in agents where agent.remaining > 0 {
      Violation.report("session \(id.value) did not finish: \(agent.remaining) turns left")
    }
  }

  private func step(until limit: Int64) -> Bool {
    var limit = limit
    if let due = machine.nextDeadline { limit = min(limit, due.nanoseconds) }
    if clock.step(until: limit) { return Violation.found.isEmpty }
    guard let due = machine.nextDeadline, due.nanoseconds <= limit else { return false }
    clock.skip(to: due.nanoseconds)
    machine.timeout(now: now)
    perform()
    return Violation.found.isEmpty
  }

  private func trace(_ line: @autoclosure () -> String) {
    if World.isTraced { print("\(clock.now) \(line())") }
  }

  nonisolated(unsafe) static var isTraced = false

  private var now: Instant { Instant(nanoseconds: clock.now) }

  // MARK: Agents

  private func openSession(forkOf source: SessionID?) {
    nextSession += 1
    let id = SessionID(nextSession)
    let agent = Agent()
    agent.isStored = random.oneIn(4)
    agent.isWhole = random.oneIn(3)
    if let source, let parent = agents[source] {
      agent.history = parent.history
      agent.openCalls = parent.openCalls
      agent.isStored = parent.isStored
      machine.fork(source, as: id, now: now)
    } else {
      machine.open(id, settings: agent.settings(turn: ""), route: RouteID(1), dialect: dialect, now: now)
    }
    agents[id] = agent
    trace("session \(id.value) opened\(source.map { ", a fork of \($0.value)" } ?? "")")
    perform()
    clock.after(Int64(random.below(200))) { [self] in startTurn(id) }
  }

  private func startTurn(_ id: SessionID) {
    guard let agent = agents[id], agent.running == nil, hasFaults || agent.remaining > 0 else { return }
    nextTurn += 1
    turnCount += 1
    let turn = SimTurn(TurnID(nextTurn), id)
    turns[turn.id] = turn
    turnsByTag[turn.tag] = turn
    agent.running = turn.id
    var items = agent.openCalls.map {
      #"{"type":"function_call_output","call_id":"\#($0)","output":"{\"a\":1.0}"}"#
    }
    items.append(#"{"type":"message","role":"user","content":"\#(turn.tag)"}"#)
    turn.input = items
    turn.contextBefore = agent.history
    let limits = TurnLimits(
      firstEvent: random.oneIn(10) && hasFaults ? Int64(random.below(60)) : 10_000, eventGap: 10_000,
      total: hasFaults ? 15_000 : 100_000)
    let json = Array(("[" + items.joined(separator: ",") + "]").utf8)
    let content: TurnRequest.Content
    do {
      if agent.isWhole {
        let all = Array(("[" + (agent.history + items).joined(separator: ", ") + "]").utf8)
        let history = machine.history(id)
        content = .whole(try all.withUnsafeBytes { try WholeHistory($0, against: history) })
      } else {
        content = .new(try TurnInput(json: json))
      }
    } catch {
      Violation.report("input refused: \(error)")
      return
    }
    let request = TurnRequest(
      id: turn.id, content: content, settings: agent.settings(turn: turn.tag), limits: limits)
    machine.start(request, in: id, now: now)
    perform()
    guard hasFaults, random.oneIn(8) else { return }
    clock.after(Int64(random.below(300))) { [self] in
      guard hasFaults else { return }
      machine.cancel(turn.id, now: now)
      perform()
    }
  }

  // MARK: Faults

  private func disturb() {
    guard hasFaults else { return }
    switch random.below(8) {
    case 0: if let link = anyLink() { cut(link) }
    case 1: if let link = anyLink() { link.server?.evict() }
    case 2:
      if let link = anyLink() {
        link.server?.reachLimit()
        clock.after(Int64(random.below(500))) { [self] in cut(link) }
      }
    case 3: if let link = anyLink() { link.sendToClient("no JSON") }
    case 4:
      if let id = agents.keys.sorted(by: { $0.value < $1.value }).randomElement(using: &random) {
        openSession(forkOf: id)
      }
    case 5:
      if agents.count > 1, let id = agents.keys.sorted(by: { $0.value < $1.value }).randomElement(using: &random) {
        agents[id] = nil
        machine.close(id, now: now)
        perform()
      }
    default: break
    }
    clock.after(Int64(50 + random.below(400))) { [self] in disturb() }
  }

  private func anyLink() -> SimLink? {
    links.values.sorted { $0.connection.id.value < $1.connection.id.value }.randomElement(using: &random)
  }

  private func cut(_ link: SimLink) {
    guard links.removeValue(forKey: link.connection.id) != nil else { return }
    link.end()
    trace("  connection \(link.connection.id.value) cut")
    machine.closed(link.connection, ResponsesError(.connectionLost, "cut"), now: now)
    perform()
  }

  // MARK: Actions

  private func perform() {
    guard !isPerforming else { return }
    isPerforming = true
    while machine.hasActions {
      for action in machine.takeActions() { perform(action) }
    }
    isPerforming = false
  }

  private func perform(_ action: Action) {
    switch action {
    case .connect(let connection): connect(connection)
    case .send(let connection, let body, let turn): send(body, turn, connection)
    case .close(let connection): links.removeValue(forKey: connection.id)?.end()
    case .deliver(let id, let batch, _):
      guard let turn = turns[id] else { return Violation.report("events of no turn") }
      if turn.ends > 0 { Violation.report("\(turn.tag): events after its end") }
      for index in batch.records.indices { turn.received(Event(batch: batch, index: index)) }
    case .end(let id, let end): ended(id, end)
    case .sendSteer, .steered, .succeeded, .pause, .routeEnded, .connectEnded: break
    }
  }

  private func connect(_ connection: Connection) {
    let link = SimLink(connection, clock)
    links[connection.id] = link
    let delay = Int64(random.below(100))
    if hasFaults, random.oneIn(8) {
      clock.after(delay) { [self] in
        guard links.removeValue(forKey: connection.id) != nil else { return }
        machine.closed(connection, ResponsesError(.connectRefused, "refused"), now: now)
        perform()
      }
      return
    }
    clock.after(delay) { [self] in
      guard links[connection.id] === link else { return }
      link.open(server) { [self] text, ended in
        trace("  connection \(connection.id.value) -> \(String(decoding: text.prefix(160), as: UTF8.self))")
        if let ended { turnsByTag[ended]?.terminalSeen = clock.now }
        machine.receive(connection, text: text, now: now)
        machine.finishedRead(connection, now: now)
        perform()
      }
      machine.opened(connection, now: now)
      perform()
    }
  }

  private func send(_ body: [UInt8], _ turn: TurnID, _ connection: Connection) {
    guard let link = links[connection.id] else { return }
    trace("  connection \(connection.id.value) <- \(String(decoding: body.prefix(160), as: UTF8.self))")
    // Sometimes the kernel takes the message only in part, and the connection may end before the rest.
    let delay = hasFaults && random.oneIn(10) ? Int64(random.below(200)) : 0
    let sent = clock.now
    let deliver = { [self] in
      guard links[connection.id] === link else { return }
      link.sendToServer(body, sent: sent, after: Int64(random.below(30)))
      machine.flushed(turn, now: now)
      perform()
    }
    if delay == 0 { deliver() } else { clock.after(delay, deliver) }
  }

  // MARK: What must hold

  private func ended(_ id: TurnID, _ end: TurnEnd) {
    guard let turn = turns[id] else { return Violation.report("the end of no turn") }
    turn.ends += 1
    trace("\(turn.tag) of session \(turn.session.value) ended \(end.outcome) \(end.error?.message ?? "") \(turn.responseID) \(end.stats.fullReason.map { "full: \($0)" } ?? "delta")")
    guard let agent = agents[turn.session] else { return }
    agent.running = nil
    let executions = server.executions[turn.tag] ?? []
    check(turn, end, executions)
    switch end.outcome {
    case .completed, .incomplete:
      guard let execution = executions.first(where: { $0.responseID == turn.responseID }) else {
        return Violation.report("\(turn.tag) ended well with a response that was not made for it")
      }
      agent.history += turn.input + execution.output
      agent.openCalls = execution.output.compactMap(World.callID)
      agent.remaining -= hasFaults ? 0 : 1
    case .failed, .cancelled, .running:
      // Without faults from outside the model's own failures remain.
      break
    }
    clock.after(Int64(random.below(200))) { [self] in startTurn(turn.session) }
  }

  private func check(_ turn: SimTurn, _ end: TurnEnd, _ executions: [ModelServer.Execution]) {
    // 1: at most once; what is sent again had not run.
    if executions.count > 1 { Violation.report("\(turn.tag) ran \(executions.count) times") }
    // Whether it may have run is told truly.
    if let error = end.error, !executions.isEmpty,
      error.execution == .notSent || error.execution == .rejected
    {
      Violation.report("\(turn.tag) ran, but its error says \(error.execution)")
    }
    // 3 and 4: what the model saw is what the caller would have sent over HTTP.
    let expected = turn.contextBefore + turn.input
    for execution in executions where execution.context != expected {
      let seen = execution.context
      let index = zip(seen, expected).enumerated().first { $1.0 != $1.1 }?.offset
        ?? min(seen.count, expected.count)
      Violation.report(
        "\(turn.tag): of \(expected.count) items the model saw \(seen.count); item \(index) is "
          + "\(index < seen.count ? seen[index] : "none") instead of "
          + "\(index < expected.count ? expected[index] : "none") "
          + "(\(end.stats.fullReason.map { "full: \($0)" } ?? "delta"))")
    }
    // 2: its own events, in order.
    if let problem = turn.orderProblem { Violation.report("\(turn.tag): \(problem)") }
  }

  private static func callID(_ item: String) -> String? {
    guard let value = try? JSONValue(parsing: item), value["type"]?.string == "function_call" else {
      return nil
    }
    return value["call_id"]?.string
  }
}
