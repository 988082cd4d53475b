import RWSNetwork
import RWSProtocol

/// Carries out what the machine decides. On the loop only.
extension ClientCore {
  // MARK: Commands

  func open(_ session: SessionID, _ settings: Settings, as identity: PreparedIdentity?) {
    guard !hasClosedSessions else { return }
    let route =
      identity.map { identities.route(of: $0, client: connect.fields, options.apiKeySource) }
      ?? IdentityTable.clientRoute
    let asksForKey = keySource(of: route) != nil
    drive {
      $0.open(
        session, settings: settings, route: route, dialect: dialect, asksForKey: asksForKey,
        endsWithSessions: asksForKey && route != IdentityTable.clientRoute, now: $1)
    }
  }

  func fork(_ source: SessionID, as session: SessionID) {
    guard !hasClosedSessions else { return }
    drive { $0.fork(source, as: session, now: $1) }
  }

  func close(_ session: SessionID) {
    drive { $0.close(session, now: $1) }
    endErrands(of: session)
  }

  func start(_ request: TurnRequest, _ turn: TurnCore, in session: SessionID, requestedAt: Instant) {
    turns[request.id] = turn
    drive { machine, _ in machine.start(request, in: session, now: requestedAt) }
  }

  func cancel(_ turn: TurnID) {
    drive { $0.cancel(turn, now: $1) }
  }

  func connect(_ session: SessionID, _ done: @escaping @Sendable (ResponsesError?) -> Void) {
    connectWaiters[session, default: []].append(done)
    drive { $0.connect(session, now: $1) }
  }

  func steer(_ turn: TurnID, _ steer: SteerCore, _ input: TurnInput, responseID: String) {
    steers[steer.id] = steer
    drive { $0.steer(turn, as: steer.id, input, responseID: responseID, now: $1) }
  }

  /// The caller has read enough of the turn's queue.
  func resume(_ turn: TurnID) {
    drive { $0.setUnread(false, turn, now: $1) }
  }

  // MARK: Happenings

  func receive(_ connection: Connection, _ text: UnsafeRawBufferPointer) {
    machine.receive(connection, text: text, now: Instant(nanoseconds: loop.now))
    if machine.hasActions { perform() }
  }

  /// Tells the machine something, and does what follows.
  func drive(_ tell: (ClientMachine, Instant) -> Void) {
    tell(machine, Instant(nanoseconds: loop.refreshNow()))
    perform()
  }

  // MARK: Actions

  /// Carries out actions until there are none: one may bring about others (a message flushed at once).
  private func perform() {
    guard !isPerforming else { return }
    isPerforming = true
    while true {
      let actions = machine.takeActions()
      if actions.isEmpty { break }
      for action in actions { perform(action) }
    }
    isPerforming = false
    for link in links.values { link.noteUse() }
    armTimer()
  }

  private func perform(_ action: Action) {
    switch action {
    case .connect(let connection):
      links[connection.id] = makeLink(connection)
    case .send(let connection, let body, let turn):
      send(body, of: turn, on: connection)
    case .sendSteer(let connection, let event, _):
      links[connection.id]?.send(steer: event)
    case .steered(let id, let state):
      steers[id]?.change(to: state)
      if state.isSettled { steers[id] = nil }
    case .succeeded(let turn, let successor):
      let steered = steers.values.lazy.compactMap(\.turn).first { $0.id == turn }
      turns[successor] = steered?.makeSuccessor(successor)
    case .pause(let connection, let isPaused):
      links[connection.id]?.pause(isPaused)
    case .close(let connection):
      links.removeValue(forKey: connection.id)?.close()
    case .deliver(let turn, let batch, let stats):
      switch turns[turn]?.deliver(batch, stats) {
      case .isFull: machine.setUnread(true, turn, now: now)
      case .isOverfull: machine.abandonUnread(turn, now: now)
      case .hasRoom, nil: break
      }
    case .end(let turn, let end):
      log(.debug, "turn \(turn.value): \(end.outcome) after \((end.stats.end ?? 0) / 1000) us")
      var end = end
      end.error = end.error.map(presentable)
      turns.removeValue(forKey: turn)?.end(end)
    case .routeEnded(let route):
      endRoute(route)
    case .askForKey(let route, let isRefused): askForKey(of: route, isRefused: isRefused)
    case .forgetKeyRequest(let route): keyRequests.removeValue(forKey: route)?.expire()
    case .keyAwaited(let caller, let error): keyCallers.removeValue(forKey: caller)?(error)
    case .post(let id): post(id)
    case .lookUp(let id, let route, let responseID): lookUp(id, route, responseID)
    case .errandFailed(let id, let error):
      errands.removeValue(forKey: id)?.answered(.failure(error))
    case .connectEnded(let session, let error):
      let waiters = connectWaiters.removeValue(forKey: session) ?? []
      for done in waiters { done(error.map(presentable)) }
    }
  }

  private var now: Instant { Instant(nanoseconds: loop.refreshNow()) }

  private func send(_ body: [UInt8], of turn: TurnID, on connection: Connection) {
    guard let link = links[connection.id] else { return }
    log(.debug, "turn \(turn.value): sending \(body.count) bytes")
    if let error = link.send(body, of: turn) { machine.refused(turn, error, now: now) }
  }

  /// The timer is left alone while it fires early enough: it is armed anew then, not at every event.
  private func armTimer() {
    guard let due = machine.nextDeadline else { return }
    if let timer, timer.due <= due { return }
    timer.map { loop.cancel($0.id) }
    // Strong: closing the client ends it.
    let id = loop.schedule(at: due.nanoseconds) { [self] in
      timer = nil
      drive { $0.timeout(now: $1) }
    }
    timer = (id, due)
  }
}
