import RWSProtocol

/// One run: the real machine, a simulated network and clock, agents that do what agents do, and seeded faults.
///
/// First a phase in which anything may fail and nothing that must hold may be violated, then one without faults in
/// which everything must finish, then the end, at which nothing may be left.
final class World {
  nonisolated(unsafe) static var isTraced = false

  var random: SeededRandom
  let clock = Clock()
  let machine: ClientMachine
  let conditions: Conditions
  let items = ItemTable()
  let server: ModelServer
  let dialect: Dialect
  var links: [ConnectionID: SimLink] = [:]
  var agents: [SessionID: Agent] = [:]
  var turns: [TurnID: SimTurn] = [:]
  var turnsByTag: [String: SimTurn] = [:]
  var steers: [SteerID: SimSteer] = [:]
  /// When the client was told of the end of the turn of that name.
  var endTold: [String: Int64] = [:]
  var dials: [Int64] = []
  var keys = SimKeys()
  var primings: [TurnID: (agent: Agent, connection: ConnectionID)] = [:]
  var hasFaults = true
  /// An event has shown the client that there are lanes.
  var isEchoSeen = false
  /// Some connection was open once.
  var hasConnected = false
  /// Why no WebSocket is to be had, while there is none.
  var blockade: Refusal?
  /// When the clock jumped last.
  var lastJump: Int64 = 0
  /// When the client was told that last; nil: it has had one since.
  var blockedSince: Int64?
  /// When a turn's caller was told of a refusal with `retry-after`.
  var patienceTold: [String: Int64] = [:]
  /// Of all turns.
  var resends = 0
  private var lastTurn: UInt64 = 0
  private var lastSession: UInt64 = 0
  private var isPerforming = false
  private var steps = 0
  private(set) var turnCount = 0

  init(seed: UInt64, tally: RuleTally) {
    random = SeededRandom(seed: seed)
    conditions = Conditions(&random)
    server = ModelServer(conditions, items, seed: random.next())
    var dialect = Dialect()
    dialect.lanes =
      !conditions.areLanesKnown ? .unknown : conditions.lanes == .supported ? .supported : .unsupported
    dialect.refusesInstructionsWithAnchor = conditions.keepsInstructions
    if let age = conditions.ageLimit { dialect.ageLimitNanoseconds = age }
    self.dialect = dialect
    var limits = PoolLimits()
    limits.connectionsMax = conditions.connectionsMax
    limits.connectBurst = conditions.connectBurst
    limits.connectIntervalNanoseconds = conditions.connectInterval
    limits.idleNanoseconds = conditions.idleTime
    limits.probeNanoseconds = Self.probeInterval
    limits.keyNanoseconds = 400
    limits.primesRotation = conditions.primes
    limits.primingNanoseconds = Self.primingTime
    limits.primingLimitNanoseconds = 2_000
    limits.lookupPauseNanoseconds = 100
    machine = ClientMachine(
      limits: limits, transport: conditions.transport, seed: seed, tally: tally)
  }

  private static let stepsMax = 300_000
  static let faultsEnd: Int64 = 6_000
  static let probeInterval: Int64 = 1_500
  static let primingTime: Int64 = 5_000
  /// Of an agent in the phase without faults.
  var lastTurns: Int { conditions.isLong ? 12 : 2 }

  func run() {
    server.endTold = { [unowned self] in endTold[$0] }
    server.areOfTwoSessions = { [unowned self] in
      guard let one = turnsByTag[$0]?.agent, let other = turnsByTag[$1]?.agent else { return false }
      return one !== other
    }
    server.isAwaited = { [unowned self] in (turnsByTag[$0]?.ends ?? 1) == 0 }
    for _ in 0..<conditions.sessions { openSession(forkOf: nil) }
    clock.after(0) { [self] in disturb() }
    while step(until: Self.faultsEnd) {}
    clock.skip(to: Self.faultsEnd)
    hasFaults = false
    server.hasFaults = false
    blockade = nil
    for link in links.values.sorted(by: { $0.connection.id.value < $1.connection.id.value })
    where link.isHalfOpen { cut(link, "no pong") }
    for agent in liveAgents { agent.remaining = lastTurns }
    for agent in liveAgents { startTurn(agent) }
    // Two more turns of each agent must end well; the longest limit of a turn is far below this.
    while step(until: Self.faultsEnd + 3 * ModelServer.patience), agents.values.contains(where: { !$0.isClosed && $0.remaining > 0 }) {}
    for agent in liveAgents where agent.remaining > 0 && Violation.found.isEmpty {
      Violation.report("session \(agent.id.value) did not finish: \(agent.remaining) turns left")
    }
    leave()
    judgeEnd()
  }

  /// Everybody goes; then the connections do.
  private func leave() {
    guard Violation.found.isEmpty else { return }
    for agent in liveAgents { close(agent) }
    let limit = clock.now + conditions.idleTime + 100_000
    while step(until: limit) {}
    if Violation.found.isEmpty,
      let link = links.values.first(where: { !$0.isEnded && !($0.server?.isStuck ?? false) })
    {
      Violation.report("connection \(link.connection.id.value) is still open, and nobody uses it")
    }
  }

  private func step(until limit: Int64) -> Bool {
    steps += 1
    if steps > Self.stepsMax { Violation.report("it does not come to rest") }
    var limit = limit
    if let due = machine.nextDeadline { limit = min(limit, due.nanoseconds) }
    if clock.step(until: limit) { return Violation.found.isEmpty }
    guard let due = machine.nextDeadline, due.nanoseconds <= limit else { return false }
    clock.skip(to: due.nanoseconds)
    machine.timeout(now: now)
    perform()
    return Violation.found.isEmpty
  }

  func trace(_ line: @autoclosure () -> String) {
    if World.isTraced { print("\(clock.now) \(line())") }
  }

  var now: Instant { Instant(nanoseconds: clock.now) }

  var liveAgents: [Agent] {
    agents.values.filter { !$0.isClosed }.sorted { $0.id.value < $1.id.value }
  }

  func makeSessionID() -> SessionID {
    lastSession += 1
    return SessionID(lastSession)
  }

  func makeTurnID() -> TurnID {
    lastTurn += 1
    turnCount += 1
    return TurnID(lastTurn)
  }

  func add(_ turn: SimTurn) {
    turns[turn.id] = turn
    turnsByTag[turn.tag] = turn
  }

  // MARK: Actions

  func perform() {
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
    case .sendSteer(let connection, let body, _): send(body, nil, connection)
    case .close(let connection):
      trace("  connection \(connection.id.value) closed")
      links.removeValue(forKey: connection.id)?.end()
    case .pause(let connection, let isPaused):
      trace("  connection \(connection.id.value) \(isPaused ? "paused" : "read again")")
      links[connection.id]?.isPaused = isPaused
      // When all that belongs to the same moment was done.
      if isPaused { clock.after(0) { [self] in judgePause(connection.id) } }
    case .deliver(let id, _, _) where isPriming(id): break
    case .end(let id, let end) where isPriming(id): primings[id]?.agent.inputTokens += end.stats.cost.inputTokens ?? 0
    case .deliver(let id, let batch, _):
      guard let turn = turns[id] else { return Violation.report("events of no turn") }
      if turn.ends > 0 { Violation.report("\(turn.tag): events after its end") }
      for index in batch.records.indices {
        let event = Event(batch: batch, index: index)
        if event.kind == .notice { trace("\(turn.tag): \(event.json)") }
        turn.received(event)
      }
      slowDown(turn)
    case .end(let id, let end): ended(id, end)
    case .steered(let id, let state): steered(id, state)
    case .succeeded(let first, let second): succeeded(first, second)
    case .askForKey(_, let isRefused): askForKey(isRefused: isRefused)
    case .forgetKeyRequest: keys.question = nil
    case .lookUp(let id, _, let responseID): lookUp(responseID, id)
    case .routeEnded, .connectEnded, .keyAwaited, .post, .errandFailed: break
    }
  }
}
