import RWSJSON

/// What becomes of events.
extension ClientMachine {
  package func receive(_ connection: Connection, text: UnsafeRawBufferPointer, now: Instant) {
    // The rest of a read burst may still come from a connection that was given up within it.
    guard connection.isConnected || connection.state == .retiring else { return }
    let fields: ScannedEvent
    do {
      fields = try connection.scanner.scan(text)
    } catch {
      return received(invalid: text, "\(error)", connection, now)
    }
    if fields.kind == .error {
      return received(error: fields, text, connection, now)
    }
    if let event = SteerEvent(fields, text) {
      return received(event, fields, text, connection, now)
    }
    guard let lane = lane(of: fields, text, connection) else { return }
    switch connection[lane].use {
    case .idle: break
    case .running(let turn): received(fields, text, turn, now)
    case .awaitingSuccessor(let turn):
      if fields.kind == .responseCreated { succeed(turn, fields, text, now) }
    case .quarantined(let quarantine):
      if fields.kind.isTerminal {
        // A successor may fail without having been created.
        drained(connection, lane, quarantine.hasEnded ? Lane.Quarantine(responseID: "") : quarantine, now)
      } else if fields.kind == .responseCreated, quarantine.hasEnded {
        connection.quarantine(lane, Lane.Quarantine(responseID: ""))
      }
    }
  }

  /// All messages of one read burst were received: what has gathered goes to the caller.
  package func finishedRead(_ connection: Connection, now: Instant) {
    let turns = connection.undelivered
    connection.undelivered.removeAll(keepingCapacity: true)
    for turn in turns { deliver(turn) }
  }

  func received(
    _ fields: ScannedEvent, _ text: UnsafeRawBufferPointer, _ turn: ActiveTurn, _ now: Instant
  ) {
    // What the books say of a turn is told before its last event.
    if fields.kind == .responseCompleted || fields.kind == .responseIncomplete {
      if let seat = turn.seat { commit(turn, fields, text, at: seat) }
    }
    if fields.kind == .responseFailed, retry(turn, fields, text, now) { return }
    append(fields, text, to: turn, now)
    switch fields.kind {
    case .outputTextDelta, .refusalDelta, .functionCallArgumentsDelta, .customToolCallInputDelta,
      .reasoningSummaryTextDelta, .reasoningTextDelta, .outputItemAdded, .contentPartAdded,
      .contentPartDone, .outputTextDone, .refusalDone, .functionCallArgumentsDone,
      .customToolCallInputDone, .reasoningSummaryPartAdded, .reasoningSummaryPartDone,
      .reasoningSummaryTextDone, .reasoningTextDone:
      break
    case .other, .notice, .error:
      break
    case .responseCreated:
      turn.isCreated = true
      for steer in turn.steersAhead { settle(steer, .committed) }
      if !turn.steers.isEmpty || turn.request.settings.isStored {
        turn.responseID = ResponseFields(fields.response.bytes(in: text)).idText
      }
      if !turn.steers.isEmpty { sendSteers(of: turn) }
    case .responseQueued:
      turn.isCreated = true
    case .responseInProgress:
      turn.isCreated = true
      releaseSource(of: turn, now)
    case .outputItemDone:
      if let item = fields.item.value(in: text) {
        turn.finishedItems.append((fields.outputIndex, item))
      }
    case .responseCompleted, .responseIncomplete, .responseFailed:
      finish(turn, fields, text, now)
    }
  }

  func append(
    _ fields: ScannedEvent, _ text: UnsafeRawBufferPointer, to turn: ActiveTurn, _ now: Instant
  ) {
    let isFirst = turn.batch == nil
    turn.append(text, fields, now)
    if turn.batch?.isFull == true {
      deliver(turn)
    } else if isFirst {
      turn.seat?.connection.undelivered.append(turn)
    }
    // The gap's limit may be shorter than the first event's, for which the alarm is set.
    if turn.stats.eventCount == 1 { watch(turn) }
  }

  func deliver(_ turn: ActiveTurn) {
    guard let batch = turn.takeBatch() else { return }
    actions.append(.deliver(turn.request.id, batch, turn.stats))
  }

  func finish(
    _ turn: ActiveTurn, _ fields: ScannedEvent, _ text: UnsafeRawBufferPointer, _ now: Instant
  ) {
    guard let seat = turn.seat else { return }
    if fields.kind == .responseFailed {
      return fail(turn, fields, .responseFailed, text, now)
    }
    let isComplete = fields.kind == .responseCompleted
    if awaitsSuccessor(turn, seat, now) {
      end(turn, isComplete ? .completed : .incomplete, nil, now)
    } else {
      vacate(turn, seat)
      end(turn, isComplete ? .completed : .incomplete, nil, now)
      settle(seat.connection, turn.session, now)
    }
  }

  /// A response that failed before it showed anything counts as refused.
  private func retry(
    _ turn: ActiveTurn, _ fields: ScannedEvent, _ text: UnsafeRawBufferPointer, _ now: Instant
  ) -> Bool {
    guard !turn.hasOutput, !Self.hasOutput(fields.response.bytes(in: text)) else { return false }
    let error = ResponsesError(
      APIErrorFields(fields, in: text), fallback: .responseFailed, body: text)
    return resend(turn, refusedWith: error, now)
  }

  /// Gateways may show output in the terminal event alone.
  private static func hasOutput(_ response: UnsafeRawBufferPointer) -> Bool {
    let value = try? JSONValue(parsing: response)
    return value?["output"]?.elements.isEmpty == false
  }

  /// The request ended with an error of the API.
  func fail(
    _ turn: ActiveTurn, _ fields: ScannedEvent, _ fallback: Status, _ text: UnsafeRawBufferPointer,
    _ now: Instant
  ) {
    guard let seat = turn.seat else { return }
    // A failed continuation evicts the response that it referred to, a failed fork does not
    // (protocol.md, The server's cache).
    if turn.forkedFrom == nil, holds(.failureEvicts) { seat.connection.evict(.failed, on: seat.lane) }
    turn.usage = ResponseFields(fields.response.bytes(in: text)).usage
    var error = ResponsesError(
      APIErrorFields(fields, in: text), fallback: fallback, body: text)
    let hasShown = turn.isCreated || turn.hasOutput
    error.execution =
      Self.hasOutput(fields.response.bytes(in: text)) ? .outputSeen : hasShown ? turn.execution : .rejected
    if let better = insteadOfFallback(error, of: turn) { error = better.with(error.execution) }
    vacate(turn, seat)
    end(turn, .failed, error, now)
    settle(seat.connection, turn.session, now)
  }

  /// The response of a cancelled turn has come to its end, and its lane's cache holds it.
  func drained(
    _ connection: Connection, _ lane: Int, _ quarantine: Lane.Quarantine, _ now: Instant
  ) {
    if holds(.quarantineEvicts) { connection.evict(.cancelled, on: lane) }
    release(connection, lane, quarantine, now)
  }

  /// The lane is free, unless what was steered into the response goes on in a successor.
  func release(
    _ connection: Connection, _ lane: Int, _ quarantine: Lane.Quarantine, _ now: Instant
  ) {
    guard holds(.quarantineEnds) else { return }
    guard quarantine.awaitedSteers <= 0 || !holds(.quarantineAwaitsSuccessor) else {
      var quarantine = quarantine
      quarantine.hasEnded = true
      return connection.quarantine(lane, quarantine)
    }
    connection.finish(lane)
    settle(connection, nil, now)
  }

  // MARK: Whose event it is

  /// By its `stream_id`. Events without one belong to the default lane, or to the one request in flight of a
  /// server that ignores the field; so do those with a name that is not ours.
  func lane(
    of fields: ScannedEvent, _ text: UnsafeRawBufferPointer, _ connection: Connection
  ) -> Int? {
    if fields.streamID.isPresent {
      guard let lane = connection.lane(named: fields.streamID.content(in: text)) else {
        return connection.soleLaneInUse
      }
      if connection.route.lanes == .unknown, holds(.echoShowsLanes) {
        lanesAreSupported(connection.route)
      }
      return lane
    }
    if !connection[0].isIdle { return 0 }
    guard connection.route.lanes != .supported, let lane = connection.soleLaneInUse,
      holds(.namelessIsTheOnlyOne)
    else { return nil }
    if fields.kind == .responseCreated { connection.route.lanes = .unsupported }
    return lane
  }

  func lanesAreSupported(_ route: Route) {
    route.lanes = .supported
    // Who waits for a connection may share one from now on.
    alarms.add(.dial(route.id), at: Instant(nanoseconds: 0))
  }
}
