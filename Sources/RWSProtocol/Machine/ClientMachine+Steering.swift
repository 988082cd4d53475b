import RWSJSON

/// Steering: input for a response that runs, and the turns that follow from it by themselves.
///
///   | happening                         | steer       | session                                             |
///   |-----------------------------------|-------------|-----------------------------------------------------|
///   | turn ends, a steer sent/accepted  | –           | waits for the successor; sends nothing              |
///   | successor's `created`             | committed   | a new turn runs on the same lane, same settings     |
///   | `pending`                         | pending     | goes on; its next request commits it, at the head   |
///   | `failed`                          | returned    | goes on, if no other steer is awaited               |
///   | turn cancelled                    | unknown     | goes on elsewhere; the lane is quarantined          |
///   | no successor in time, or lost     | unknown     | goes on                                             |
extension ClientMachine {
  /// - Parameter responseID: Of the turn's response, if the caller has seen it.
  package func steer(
    _ id: TurnID, as steerID: SteerID, _ input: TurnInput, responseID: String, now: Instant
  ) {
    guard let turn = turns[id] else {
      let error = ResponsesError(
        .closed, "The turn has ended; give the input with the session's next turn.")
      return report(steerID, .returned(error))
    }
    let steer = Steer(steerID, input)
    turn.steers.append(steer)
    if !responseID.isEmpty { turn.responseID = responseID }
    sendSteers(of: turn)
  }

  /// Those that waited for the response's id.
  func sendSteers(of turn: ActiveTurn) {
    guard let seat = turn.seat else { return }
    guard seat.connection.transport == .webSocket else {
      for steer in turn.steers { settle(steer, .returned(.steeringNotSupported)) }
      return
    }
    guard !turn.responseID.isEmpty || !holds(.steerWaitsForID) else { return }
    for steer in turn.steers where steer.state == .queued {
      steer.state = .sent
      steer.target = turn.responseID
      actions.append(
        .sendSteer(seat.connection, Steer.event(turn.responseID, steer.input), turn.request.id))
      report(steer.id, steer.state)
    }
  }

  /// What the server says of a steer is about the response that it was sent to, whatever the lane: of one that has
  /// ended, or that it never had, it names none.
  func received(
    _ event: SteerEvent, _ fields: ScannedEvent, _ text: UnsafeRawBufferPointer,
    _ connection: Connection, _ now: Instant
  ) {
    if settlePending(event) { return }
    let named = connection.lane(steeredTo: event.target).flatMap { holds(.steerIsFoundByResponse) ? $0 : nil }
    // One that names a response which nobody waits for is about no other.
    guard let lane = named ?? (event.target.isEmpty ? lane(of: fields, text, connection) : nil) else {
      return
    }
    switch connection[lane].use {
    case .idle: break
    case .running(let turn):
      append(fields, text, to: turn, now)
      settle(event, turn)
    case .awaitingSuccessor(let turn):
      settle(event, turn)
      if !turn.steers.contains(where: { $0.state.isAwaited }) { stopAwaiting(turn, now) }
    case .quarantined(var quarantine):
      guard event.isLast else { return }
      quarantine.awaitedSteers -= 1
      connection.quarantine(lane, quarantine)
      if quarantine.hasEnded { release(connection, lane, quarantine, now) }
    }
  }

  /// One that waits for the caller's outputs may fail yet. True if it is one.
  private func settlePending(_ event: SteerEvent) -> Bool {
    guard case .failed(let error) = event.verdict, !event.serverID.isEmpty else { return false }
    for session in sessions.values {
      guard let index = session.pendingSteers.firstIndex(where: { $0.serverID == event.serverID })
      else { continue }
      guard holds(.pendingSteerMayFail) else { return true }
      settle(session.pendingSteers.remove(at: index), .returned(error))
      return true
    }
    return false
  }

  private func settle(_ event: SteerEvent, _ turn: ActiveTurn) {
    // Answers come in the order of the sending.
    let unanswered = turn.steers.first {
      $0.state == .sent && (event.target.isEmpty || $0.target == event.target)
    }
    let named = turn.steers.first { !event.serverID.isEmpty && $0.serverID == event.serverID }
    guard let steer = named ?? unanswered else { return }
    switch event.verdict {
    case .accepted:
      steer.serverID = event.serverID
      settle(steer, .accepted)
    case .pending: settle(steer, .pending)
    case .failed(let error): settle(steer, .returned(error))
    }
  }

  func settle(_ steer: Steer, _ state: Steer.State) {
    guard !steer.state.isSettled, steer.state != state else { return }
    steer.state = state
    report(steer.id, state)
  }

  private func report(_ id: SteerID, _ state: Steer.State) {
    actions.append(.steered(id, state))
  }

  // MARK: Successors

  /// The turn has ended well. If a successor may follow by itself, the lane and the session wait for it.
  func awaitsSuccessor(_ turn: ActiveTurn, _ seat: Seat, _ now: Instant) -> Bool {
    for steer in turn.steers where steer.state == .queued {
      settle(
        steer,
        .returned(ResponsesError(.closed, "The turn ended before its response had begun.")))
    }
    guard turn.steers.contains(where: { $0.state.isAwaited }), holds(.endAwaitsSuccessor) else {
      return false
    }
    seat.connection.awaitSuccessor(of: turn, on: seat.lane)
    turn.session.awaited = turn
    let patience = turn.request.limits.firstEvent ?? Self.successorPatience
    alarms.add(
      .successor(of: turn.request.id, in: turn.session.id), at: now.advanced(byNanoseconds: patience))
    return true
  }

  private static let successorPatience: Int64 = 120_000_000_000

  /// The turn has ended, and this is the `created` of what follows it.
  func succeed(
    _ turn: ActiveTurn, _ fields: ScannedEvent, _ text: UnsafeRawBufferPointer, _ now: Instant
  ) {
    guard let seat = turn.session.seat else { return }
    let session = turn.session
    session.awaited = nil
    let isAnyUnanswered = turn.steers.contains { $0.state == .sent }
    let accepted =
      isAnyUnanswered && !holds(.unansweredSteerIsNotCommitted)
      ? [] : turn.steers.filter { $0.state == .accepted }
    // Gateways may leave the answer out. Else one without answer came too late, and is still to be answered.
    let steers = accepted.isEmpty ? turn.steers.filter { $0.state.isAwaited } : accepted
    let input = steers.reduce(into: TurnInput()) { $0.append($1.input) }
    let id = TurnID(Self.successorIDs | nextSuccessor)
    nextSuccessor += 1
    let request = TurnRequest(
      id: id, content: .new(input), settings: turn.request.settings, limits: turn.request.limits,
      recovery: .none)
    let successor = ActiveTurn(request, session, start: now)
    if !accepted.isEmpty { successor.steers = turn.steers.filter { $0.state == .sent } }
    successor.stats.fullReason = nil
    successor.stats.fullRequestBytes = session.chain.fullBytes(request)
    successor.phase = .waiting(seat, since: now)
    turns[id] = successor
    session.active = successor
    seat.connection.finish(seat.lane)
    seat.connection.begin(successor, on: seat.lane)
    actions.append(.succeeded(turn.request.id, id))
    for steer in steers { settle(steer, .committed) }
    watch(successor)
    received(fields, text, successor, now)
  }

  /// No successor will come: the session goes on.
  func stopAwaiting(_ turn: ActiveTurn, _ now: Instant) {
    let session = turn.session
    guard session.awaited === turn else { return }
    session.awaited = nil
    keepPending(turn)
    guard let seat = session.seat else { return }
    seat.connection.finish(seat.lane)
    settle(seat.connection, session, now)
  }

  private func keepPending(_ turn: ActiveTurn) {
    let pending = turn.steers.filter { $0.state == .pending }
    guard !pending.isEmpty else { return }
    turn.session.pendingSteers += pending
    guard let seat = turn.session.seat else { return }
    seat.connection.holdSteers((turn.session.id, turn.session.chain.responseID), on: seat.lane)
  }

  func expireSuccessor(of id: TurnID, in session: SessionID, _ now: Instant) {
    guard let turn = sessions[session]?.awaited, turn.request.id == id, holds(.successorMayNotCome)
    else { return }
    let error = ResponsesError(
      .timeout, "The server did not say what became of the steering input.")
    // A late successor must not be taken for the answer to what is sent next.
    abandonAwaited(of: turn.session, error, now)
    pump(turn.session, now)
  }

  /// The session goes on elsewhere.
  func abandonAwaited(of session: SessionState, _ error: ResponsesError, _ now: Instant) {
    guard let turn = session.awaited else { return }
    session.awaited = nil
    // The server still puts these before the next request, should it come on the same lane.
    keepPending(turn)
    turn.steers.removeAll { $0.state == .pending }
    let connection = session.seat?.connection
    if let seat = session.seat {
      quarantine(seat, turn.quarantine(hasEnded: true))
      seat.connection.dismiss(session, now: now)
      watchIdle(seat.connection, now)
    }
    loseSteers(of: turn, error)
    // It may give way to those who wait for one.
    if let connection { serve(connection, now) }
  }

  /// Nobody will hear of them any more.
  func loseSteers(of turn: ActiveTurn, _ error: ResponsesError) {
    for steer in turn.steers where !steer.state.isSettled && holds(.lostSteersAreTold) {
      switch steer.state {
      case .queued: settle(steer, .returned(error.with(.notSent)))
      case .sent, .accepted, .pending: settle(steer, .unknown(error.with(.unknown)))
      case .committed, .returned, .unknown: break
      }
    }
  }

  private static let successorIDs: UInt64 = 1 << 63
}
