/// How requests find a lane, and what is sent there.
extension ClientMachine {
  /// Moves the session's head turn on as far as its lane allows.
  func pump(_ session: SessionState, _ now: Instant) {
    var hasEndedTurns = false
    while !session.isClosed, !session.isCompacting, session.awaited == nil {
      if session.active == nil {
        guard !session.queue.isEmpty else {
          // Its place, which it did not need, may be another's.
          if hasEndedTurns, holds(.unneededPlaceIsGiven) { serve(session.route, now) }
          return
        }
        let turn = session.queue.removeFirst()
        turn.phase = .placing
        session.active = turn
      }
      guard let turn = session.active, session.isReadyToSend else { return }
      if !turn.isAligned {
        guard session.chain.align(with: turn.request) || !holds(.movedHistoryIsRefused) else {
          end(turn, .failed, .historyMoved, now)
          hasEndedTurns = true
          continue
        }
        turn.isAligned = true
      }
      let missing = session.chain.unanswered(by: turn.request)
      guard missing.isEmpty || turn.request.isAbandoningCalls || !holds(.missingOutputIsRefused) else {
        end(turn, .failed, .missingOutput(missing), now)
        hasEndedTurns = true
        continue
      }
      guard let seat = seat(session, now) else { return }
      if turn.request.isWarmUp, seat.connection.transport == .http {
        keepWarmUp(turn, now)
        hasEndedTurns = true
        continue
      }
      let planned = session.chain.plan(turn.request, on: seat)
      if turn.request.isStrict, let reason = planned.fullReason, !reason.isExpected {
        end(turn, .failed, .fullResend(reason), now)
        hasEndedTurns = true
        continue
      }
      return send(turn, planned, on: seat, now)
    }
  }

  /// The session's seat, if it may send from it now. If not, what is needed is under way: `pump` is called
  /// again then.
  @discardableResult
  func seat(_ session: SessionState, _ now: Instant) -> Seat? {
    if let seat = session.seat, session.isReadyToSend, let required = requiredTransport(session),
      seat.connection.transport != required
    {
      leave(session, now)
    }
    if session.seat == nil, !findSeat(session, now) {
      wait(session, in: &session.route.waiting)
      return nil
    }
    guard let seat = session.seat else { return nil }
    switch seat.connection.state {
    case .connecting: return nil
    case .retiring, .closed:
      leave(session, now)
      return self.seat(session, now)
    case .aging where move(session, now):
      return self.seat(session, now)
    case .open, .aging:
      noteConnected(session)
      guard seat.connection[seat.lane].pendingForks == 0 else { return nil }
      guard seat.connection.isUsable else {
        if seat.connection.isFullOfAbandoned {
          abandon(seat.connection, now)
          return self.seat(session, now)
        }
        wait(session, in: &seat.connection.waiting)
        return nil
      }
      return seat
    }
  }

  func findSeat(_ session: SessionState, _ now: Instant) -> Bool {
    let route = session.route
    let required = requiredTransport(session)
    // Over HTTP each response has a connection of its own.
    if required != .http, route.seat(session, over: required) { return true }
    let mayDial = route.mayDial
    let replaced = mayDial ? nil : route.deserted ?? required.flatMap(route.unused)
    if let replaced, route.hasTooMany {
      abandon(replaced, now)
      return findSeat(session, now)
    }
    if mayDial || replaced != nil {
      let wanted = session.active?.request.transport
      let transport =
        required ?? (holds(.blockedIsRemembered) ? transports.current(wanted) : .webSocket)
      // Over HTTP each response has a connection: it is the turns that are dialled, as often as the caller starts them.
      guard transport == .http || route.rate.take(now) || !holds(.dialRate) else {
        if !route.isDialDue {
          route.isDialDue = true
          alarms.add(.dial(route.id), at: route.rate.nextRefill)
        }
        return false
      }
      if let replaced { abandon(replaced, now) }
      return route.place(session, on: dial(route, over: transport, now))
    }
    return required != .http && route.squeezeIn(session, over: required)
  }

  /// Cancelled responses go with it.
  func abandon(_ connection: Connection, _ now: Instant) {
    actions.append(.close(connection))
    for session in remove(connection) where session.isReadyToSend || session.isConnectWanted {
      wait(session, in: &connection.route.waiting)
    }
  }

  func wait(_ session: SessionState, in list: inout [SessionState]) {
    guard !session.isWaiting else { return }
    session.isWaiting = true
    list.append(session)
  }

  /// Room was made: those who wait come first.
  func serve(_ connection: Connection, _ now: Instant) {
    // Who waits for one of its responses to end would wait for what nobody reads.
    if !connection.waiting.isEmpty, connection.isFullOfAbandoned { abandon(connection, now) }
    while connection.isUsable, !connection.waiting.isEmpty {
      let session = connection.waiting.removeFirst()
      session.isWaiting = false
      pump(session, now)
    }
    serve(connection.route, now)
  }

  func serve(_ route: Route, _ now: Instant) {
    while let session = route.waiting.first {
      let isWanted = !session.isClosed && (session.isReadyToSend || session.isConnectWanted)
      guard !isWanted || session.seat != nil || findSeat(session, now) else { return }
      route.waiting.removeFirst()
      session.isWaiting = false
      guard isWanted else { continue }
      seat(session, now)
      pump(session, now)
    }
  }

  /// Lets sessions go on after what they had is gone.
  func advance(_ sessions: [SessionState], _ route: Route, _ now: Instant) {
    for session in sessions {
      pump(session, now)
      if session.isConnectWanted { seat(session, now) }
    }
    serve(route, now)
  }

  func leave(_ session: SessionState, _ now: Instant) {
    guard let connection = session.seat?.connection else { return }
    connection.dismiss(session, now: now)
    watchIdle(connection, now)
    serve(connection, now)
  }

  func noteConnected(_ session: SessionState) {
    guard session.isConnectWanted else { return }
    session.isConnectWanted = false
    actions.append(.connectEnded(session.id, nil))
  }

  // MARK: Sending

  func send(_ turn: ActiveTurn, _ planned: Chain.PlannedRequest, on seat: Seat, _ now: Instant) {
    let connection = seat.connection
    turn.phase = .sending(seat)
    turn.stats.transport = connection.transport
    turn.stats.fullReason = planned.fullReason
    (turn.stats.cacheBreak, turn.contextChanges) = turn.session.chain.changes(by: turn.request)
    turn.stats.requestBytes = planned.body.count
    turn.stats.fullRequestBytes = planned.fullBytes
    turn.sentBytes += planned.body.count
    if let source = planned.forkedFrom, holds(.forkHoldsSource) {
      turn.forkedFrom = source
      source.connection[source.lane].pendingForks += 1
    }
    let isDelta = planned.fullReason == nil
    let held = connection.heldSteers(on: seat.lane)
    // Another's request may be refused: then the server still has them.
    if held?.session == turn.session.id { connection.holdSteers(nil, on: seat.lane) }
    let areHeldHere =
      held?.session == turn.session.id && held?.responseID == turn.session.chain.anchor?.responseID
    if !turn.session.pendingSteers.isEmpty, isDelta, holds(.pendingSteerIsCommitted),
      areHeldHere || !holds(.pendingSteerNeedsItsLane)
    {
      turn.steersAhead = turn.session.pendingSteers
    } else {
      for steer in turn.session.pendingSteers { settle(steer, .unknown(.steeringLost)) }
    }
    turn.session.pendingSteers = []
    if turn.session.hasMoved, !turn.request.isPriming {
      turn.session.hasMoved = false
      turn.appendNotice(Notice(kind: .rotated, reason: "age"))
      deliver(turn)
    }
    noteOrganization(of: turn, connection)
    // A former tenant's context goes when another's response comes: a fork's, too, that does not continue it.
    let isOthers = !turn.session.chain.isAnchored(at: seat) || !isDelta && turn.session.chain.anchor?.isInherited == true
    if isOthers, holds(.laneReuseEvicts) { connection.evict(.laneReused, on: seat.lane) }
    connection.begin(turn, on: seat.lane)
    decidePause(connection)
    actions.append(.send(connection, planned.body, turn.request.id))
  }

  /// The server has begun the fork, or never will: its source may go on.
  func releaseSource(of turn: ActiveTurn, _ now: Instant) {
    guard let source = turn.forkedFrom else { return }
    turn.forkedFrom = nil
    guard source.connection.state != .closed, holds(.forkReleasesSource) else { return }
    source.connection[source.lane].pendingForks -= 1
    if let tenant = source.connection[source.lane].tenant { pump(tenant, now) }
  }
}
