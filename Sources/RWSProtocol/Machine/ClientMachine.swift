import RWSJSON
import RWSTokens

/// All sessions and connections of one client. Pure: time is an argument, what is to be done comes out as
/// actions. Not thread-safe; driven by one loop.
///
/// The joint rules of turn, lane and connection (the session's chain moves only where it says so):
///
///   | happening                       | turn                       | lane                       | connection |
///   |---------------------------------|----------------------------|----------------------------|------------|
///   | completed, incomplete           | ends well; chain moves     | holds the new response     | stays      |
///   | incomplete, a call unfinished   | ends well; chain unanchored| holds the new response     | stays      |
///   | failed, error                   | ends with the error        | evicts what it continued   | stays      |
///   | refused, may pass (`Recovery`)  | sent again                 | free                       | stays      |
///   | age limit, before the start     | sent again                 | –                          | retires    |
///   | age limit, started              | runs on                    | stays                      | retires    |
///   | cancel or time limit, sent      | ends; later events dropped | quarantined till its end   | stays      |
///   | connection ends                 | sent again or ends with    | –                          | gone       |
///   |                                 | the error (`Recovery`)     |                            |            |
///   | not an event                    | ends with the error        | –                          | closed     |
///
/// `Rule` names the rules; `make sim` shows that each is used, `make sim-mutants` that each is needed.
/// Where requests go is the pool's matter (`Route`), what is sent the chain's (`Chain`), what is sent again the
/// table's in `Recovery`.
package final class ClientMachine {
  let limits: PoolLimits
  let tally: RuleTally?
  var transports: TransportPolicy
  var routes: [RouteID: Route] = [:]
  var sessions: [SessionID: SessionState] = [:]
  var turns: [TurnID: ActiveTurn] = [:]
  var alarms = AlarmQueue()
  var recovery: Recovery
  package internal(set) var counters = RecoveryCounters()
  var keyDesks: [RouteID: KeyDesk] = [:]
  var lastKeyQuestion: UInt64 = 0
  var errands: [ErrandID: Errand] = [:]
  var nextConnection: UInt64 = 1
  var nextSuccessor: UInt64 = 1
  var actions: [Action] = []
  let counter: ItemCounter

  /// - Parameter vocabulary: To count tokens with; without one, bytes stand for them.
  /// - Parameter seed: For spreading in time what would otherwise happen at once.
  /// - Parameter tally: Of the simulation.
  package init(
    limits: PoolLimits = PoolLimits(), vocabulary: Vocabulary? = nil,
    transport: TransportChoice = .webSocket, seed: UInt64, tally: RuleTally? = nil
  ) {
    transports = TransportPolicy(transport)
    self.limits = limits
    self.tally = tally
    counter = ItemCounter(vocabulary)
    recovery = Recovery(seed: seed, limits: limits)
  }

  package var hasActions: Bool { !actions.isEmpty }

  package func takeActions() -> [Action] {
    guard !actions.isEmpty else { return [] }
    defer { actions = [] }
    return actions
  }

  /// When `timeout` is to be called, whatever happens before.
  package var nextDeadline: Instant? { alarms.next }

  // MARK: Sessions

  /// - Parameters:
  ///   - dialect: Of the route; that of its first session counts.
  ///   - asksForKey: Likewise.
  ///   - endsWithSessions: Likewise: nothing of it outlives its last session, for who gives the keys may then be gone.
  package func open(
    _ id: SessionID, settings: Settings, route: RouteID, dialect: Dialect, asksForKey: Bool = false,
    endsWithSessions: Bool = false,     now: Instant
  ) {
    let route = self.route(route, dialect, now)
    route.asksForKey = asksForKey
    route.endsWithSessions = endsWithSessions
    route.sessionCount += 1
    sessions[id] = SessionState(id, settings, route, now: now)
  }

  /// A session that goes on from where `source` is now: the same history, the same anchor.
  package func fork(_ source: SessionID, as id: SessionID, now: Instant) {
    guard let source = sessions[source] else { return }
    let fork = SessionState(id, source.settings, source.route, now: now)
    fork.chain = source.chain.forked()
    fork.route.sessionCount += 1
    fork.ledger = source.ledger.forked()
    sessions[id] = fork
  }

  /// What is committed of the session; nil: there is none.
  package func saved(_ id: SessionID) -> SavedSession? {
    sessions[id].map { $0.chain.saved($0.settings) }
  }

  /// The session, just opened with the saved one's settings, goes on from there.
  package func restore(_ saved: SavedSession, as id: SessionID) {
    sessions[id]?.chain = Chain(restoring: saved)
  }

  /// Its turns end as cancelled.
  package func close(_ id: SessionID, now: Instant) {
    guard let session = sessions.removeValue(forKey: id) else { return }
    session.isClosed = true
    if session.isConnectWanted {
      session.isConnectWanted = false
      actions.append(.connectEnded(id, ResponsesError(.closed, "The session was closed.")))
    }
    let error = ResponsesError(.cancelled, "The session was closed while the turn ran.")
    abandonAwaited(of: session, .steeringLost, now)
    for steer in session.pendingSteers { settle(steer, .unknown(.steeringLost)) }
    session.pendingSteers = []
    let waiting = session.queue
    session.queue = []
    let connection = session.seat?.connection
    if let turn = session.active { abandon(turn, .cancelled, error, now) }
    for turn in waiting { end(turn, .cancelled, error, now) }
    leave(session, now)
    if let connection { serve(connection, now) }
    session.route.sessionCount -= 1
    if session.route.endsWithSessions, session.route.sessionCount == 0 { dropConnections(of: session.route) }
    endIfUnused(session.route)
  }

  /// Closes all sessions and connections.
  package func closeAll(now: Instant) {
    // What one leaves free is nobody's now.
    for route in routes.values {
      route.waiting = []
      for connection in route.connections { _ = connection.endWaiting() }
    }
    for id in sessions.keys.sorted(by: { $0.value < $1.value }) { close(id, now: now) }
    for route in routes.values {
      for connection in route.connections { actions.append(.close(connection)) }
      route.dissolve()
    }
    routes = [:]
    keyDesks = [:]
    errands = [:]
    alarms = AlarmQueue()
  }

  /// Sessions, turns and connections know each other.
  deinit {
    for session in sessions.values { session.dissolve() }
    for route in routes.values { route.dissolve() }
  }

  /// Of the last committed turn, whether the server still holds it or not.
  package func responseID(_ session: SessionID) -> String {
    sessions[session]?.chain.responseID ?? ""
  }

  package func history(_ session: SessionID) -> History {
    sessions[session]?.chain.history ?? History()
  }

  /// The body that HTTP would need for this next turn.
  package func fullBody(_ id: SessionID, input: TurnInput) -> [UInt8] {
    guard let session = sessions[id] else { return [] }
    return session.chain.fullBody(settings: session.settings, input: input)
  }

  func route(_ id: RouteID, _ dialect: Dialect, _ now: Instant) -> Route {
    if let route = routes[id] { return route }
    let route = Route(id, dialect, limits, tally, now: now)
    routes[id] = route
    return route
  }

  // MARK: Turns

  package func start(_ request: TurnRequest, in id: SessionID, now: Instant) {
    guard let session = sessions[id] else {
      let error = ResponsesError(.closed, "The session is closed.")
      let end = TurnEnd(outcome: .failed, error: error, stats: TurnStats())
      return actions.append(.end(request.id, end))
    }
    let turn = ActiveTurn(request, session, start: now)
    turns[request.id] = turn
    session.queue.append(turn)
    watch(turn)
    pump(session, now)
  }

  /// Ends the turn at once; a second cancel, or one after its end, has no effect.
  package func cancel(_ id: TurnID, now: Instant) {
    guard let turn = turns[id] else { return }
    cancel(turn, ResponsesError(.cancelled, "The turn was cancelled."), now)
  }

  /// The caller reads so slowly, and others need the connection so much, that the unread events take too much
  /// memory.
  package func abandonUnread(_ id: TurnID, now: Instant) {
    guard let turn = turns[id] else { return }
    cancel(
      turn,
      ResponsesError(
        .limit,
        "The turn's unread events became too many while other turns needed its connection. "
          + "Read faster, or use a callback; the result holds what came."), now)
  }

  /// Connects ahead; answered by `connectEnded`.
  package func connect(_ id: SessionID, now: Instant) {
    guard let session = sessions[id] else {
      return actions.append(.connectEnded(id, ResponsesError(.closed, "The session is closed.")))
    }
    if session.seat?.connection.isConnected == true {
      return actions.append(.connectEnded(id, nil))
    }
    session.isConnectWanted = true
    seat(session, now)
  }

  /// The caller's queue of unread events is full (true) or has room again (false).
  package func setUnread(_ isUnread: Bool, _ id: TurnID, now: Instant) {
    guard let turn = turns[id] else { return }
    turn.isUnread = isUnread
    // It may wait to be sent again, and its next connection must not be paused for what was read meanwhile.
    guard let connection = turn.seat?.connection else { return }
    if !isUnread, case .streaming(let seat, _) = turn.phase {
      turn.phase = .streaming(seat, last: now)
    }
    decidePause(connection)
    watch(turn)
  }

  // MARK: Happenings

  package func opened(_ connection: Connection, now: Instant) {
    guard connection.state == .connecting else { return }
    connection.state = .open
    connection.isProbe = false
    connection.route.hasConnected = true
    if connection.transport == .webSocket {
      noteAvailable()
      noteAcceptedKey(of: connection)
      counters.connectionCount += 1
      if holds(.oldIsLeft) { watchAge(connection, now) }
    }
    for session in connection.seatedSessions {
      noteConnected(session)
      pump(session, now)
    }
    moveTenants(to: connection, now)
    serve(connection.route, now)
    watchIdle(connection, now)
  }

  /// - Parameter error: why; its `execution` is filled in here.
  /// - Parameter isUpgradeBlocked: There was no WebSocket to be had, though the server could be reached.
  package func closed(
    _ connection: Connection, _ error: ResponsesError, isUpgradeBlocked: Bool = false, now: Instant
  ) {
    switch connection.state {
    case .connecting:
      counters.failedDialCount += 1
      if askAgain(connection, error, now) { return }
      replacementFailed(connection, now)
      let sessions = remove(connection)
      let isBlocked = isUpgradeBlocked || connection.isProbe
      if isBlocked { fallBack(from: connection, sessions, now) }
      for session in sessions {
        if isBlocked, mayFallBack(session) {
          session.active.map { noteFallback(of: $0, error) }
          continue
        }
        if session.isConnectWanted {
          session.isConnectWanted = false
          actions.append(.connectEnded(session.id, error))
        }
        guard let turn = session.active, !turn.isHolding else { continue }
        if resend(turn, after: .connecting(error), now) { continue }
        end(turn, .failed, error.with(.notSent), now)
      }
      advance(sessions, connection.route, now)
    case .open, .aging, .retiring:
      counters.lostConnectionCount += 1
      lose(connection, error, now)
    case .closed: break
    }
  }

  package func flushed(_ id: TurnID, now: Instant) {
    guard let turn = turns[id] else { return }
    turn.flushed(now)
    watch(turn)
  }

  /// The request cannot be sent as it is: it is too large for what may be queued or for the server.
  package func refused(_ id: TurnID, _ error: ResponsesError, now: Instant) {
    guard let turn = turns[id], let seat = turn.seat else { return }
    vacate(turn, seat)
    if error.status == .messageTooLarge, mayFallBack(turn.session), seat.connection.transport == .webSocket {
      return moveToHTTP(turn, now)
    }
    turn.phase = .placing
    end(turn, .failed, error.with(.notSent), now)
    advance([turn.session], turn.session.route, now)
  }

  package func timeout(now: Instant) {
    while let alarm = alarms.pop(due: now) {
      switch alarm {
      case .turn(let id): turns[id].map { expire($0, now) }
      case .resend(let id): release(id, now)
      case .successor(let id, let session): expireSuccessor(of: id, in: session, now)
      case .dial(let id):
        guard let route = routes[id] else { break }
        route.isDialDue = false
        serve(route, now)
      case .rotation(let id): routes[id].map { rotate($0, now) }
      case .idle(let id, let route):
        routes[route]?.connections.first { $0.id == id }.map { closeIfIdle($0, now) }
      case .key(let route, let question): expireKeyQuestion(question, on: route, now)
      case .errand(let id): resumeErrand(id, now)
      case .probe(let id): probe(id, now)
      }
    }
  }

  func expire(_ turn: ActiveTurn, _ now: Instant) {
    turn.alarm = nil
    guard let (due, status) = turn.deadline else { return }
    guard due <= now else { return watch(turn) }
    guard holds(.timeLimits) else { return }
    if case .lookingUp(_, _, let lost) = turn.phase { return failLookup(turn, lost, now) }
    cancel(turn, .expiry(status, turn.execution), now)
  }

  /// Makes sure that the turn's next limit is looked at in time.
  func watch(_ turn: ActiveTurn) {
    guard let (due, _) = turn.deadline else { return }
    if let alarm = turn.alarm, alarm <= due { return }
    turn.alarm = due
    alarms.add(.turn(turn.request.id), at: due)
  }
}
