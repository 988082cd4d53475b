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
    guard !turn.responseID.isEmpty, let seat = turn.seat else { return }
    for steer in turn.steers where steer.state == .queued {
      steer.state = .sent
      actions.append(
        .sendSteer(seat.connection, Steer.event(turn.responseID, steer.input), turn.request.id))
      report(steer.id, steer.state)
    }
  }

  /// True if the event was about a steer.
  func received(
    steering fields: ScannedEvent, _ text: UnsafeRawBufferPointer, _ turn: ActiveTurn
  ) -> Bool {
    guard !turn.steers.isEmpty, let event = SteerEvent(fields, text) else { return false }
    switch event {
    case .accepted(let serverID):
      // Answers come in the order of the sending.
      guard let steer = turn.steers.first(where: { $0.state == .sent }) else { return true }
      steer.serverID = serverID
      settle(steer, .accepted)
    case .pending(let serverID):
      guard let steer = turn.steers.first(where: { $0.serverID == serverID }) else { return true }
      settle(steer, .pending)
    case .failed(let serverID, let error):
      let named = turn.steers.first { serverID != nil && $0.serverID == serverID }
      guard let steer = named ?? turn.steers.first(where: { $0.state == .sent }) else { return true }
      settle(steer, .returned(error))
    }
    return true
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
    guard turn.steers.contains(where: { $0.state.isAwaited }) else { return false }
    seat.connection.awaitSuccessor(of: turn, on: seat.lane)
    turn.session.awaited = turn
    let patience = turn.request.limits.firstEvent ?? Self.successorPatience
    alarms.add(
      .successor(of: turn.request.id, in: turn.session.id), at: now.advanced(byNanoseconds: patience))
    return true
  }

  private static let successorPatience: Int64 = 120_000_000_000

  /// An event on a lane whose turn has ended and may have a successor.
  func received(
    _ fields: ScannedEvent, _ text: UnsafeRawBufferPointer, after turn: ActiveTurn, _ now: Instant
  ) {
    if fields.kind == .responseCreated { return succeed(turn, fields, text, now) }
    guard received(steering: fields, text, turn) else { return }
    if !turn.steers.contains(where: { $0.state.isAwaited }) { stopAwaiting(turn, now) }
  }

  private func succeed(
    _ turn: ActiveTurn, _ fields: ScannedEvent, _ text: UnsafeRawBufferPointer, _ now: Instant
  ) {
    guard let seat = turn.session.seat else { return }
    let session = turn.session
    session.awaited = nil
    let steers = turn.steers.filter { $0.state.isAwaited }
    let input = steers.reduce(into: TurnInput()) { $0.append($1.input) }
    let id = TurnID(Self.successorIDs | nextSuccessor)
    nextSuccessor += 1
    let request = TurnRequest(
      id: id, content: .new(input), settings: turn.request.settings, limits: turn.request.limits)
    let successor = ActiveTurn(request, session, start: now)
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
    session.pendingSteers += turn.steers.filter { $0.state == .pending }
    guard let seat = session.seat else { return }
    seat.connection.finish(seat.lane)
    settle(seat.connection, session, now)
  }

  func expireSuccessor(of id: TurnID, in session: SessionID, _ now: Instant) {
    guard let turn = sessions[session]?.awaited, turn.request.id == id else { return }
    loseSteers(
      of: turn, ResponsesError(.timeout, "The server did not say what became of the steering input."))
    // A late successor must not be taken for the answer to what is sent next.
    if let seat = turn.session.seat {
      seat.connection.quarantine(seat.lane)
      seat.connection.dismiss(turn.session, now: now)
    }
    turn.session.awaited = nil
    pump(turn.session, now)
  }

  /// Nobody will hear of them any more.
  func loseSteers(of turn: ActiveTurn, _ error: ResponsesError) {
    for steer in turn.steers {
      switch steer.state {
      case .queued: settle(steer, .returned(error.with(.notSent)))
      case .sent, .accepted, .pending: settle(steer, .unknown(error.with(.unknown)))
      case .committed, .returned, .unknown: break
      }
    }
  }

  private static let successorIDs: UInt64 = 1 << 63
}
