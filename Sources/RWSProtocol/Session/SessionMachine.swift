import RWSJSON

/// One session: its queue of turns, its chain and its connection. Pure: time is an argument, what is
/// to be done comes out as actions. Not thread-safe; driven by one loop.
///
/// The joint rules of turn, chain and connection:
///
///   | happening                      | turn                         | anchor                    | connection |
///   |--------------------------------|------------------------------|---------------------------|------------|
///   | completed, incomplete          | ends well                    | moves, with the history   | stays      |
///   | incomplete, a call unfinished  | ends well                    | dropped                   | stays      |
///   | failed, error                  | ends with the error          | dropped unless stored     | stays      |
///   | not found / connection limit,  | sent again, in full, once    | dropped                   | stays / new|
///   |   before the response started  |                              |                           |            |
///   | cancel or time limit           | ends; later events dropped   | dropped unless stored     | drains     |
///   | connection ends, request not   | sent again, once             | dropped unless stored     | new        |
///   |   wholly sent                  |                              |                           |            |
///   | connection ends otherwise      | ends with the error          | dropped unless stored     | none       |
///
/// *Drains*: the API has no cancel, so the response of a cancelled turn runs on; until its terminal
/// event nothing else may use that connection, lest a late event answer the next request.
package final class SessionMachine {
  private enum Link {
    case none
    case connecting(ConnectionID)
    case open(ConnectionID)
    case draining(ConnectionID)
  }

  package let settings: Settings
  private var chain = Chain()
  private var link = Link.none
  private var queue: [ActiveTurn] = []
  private var active: ActiveTurn?
  private var isConnectWanted = false
  /// Nothing is to be read from the connection.
  package private(set) var isPaused = false
  private var isClosed = false
  private var nextConnection: UInt64 = 1
  private var actions: [Action] = []

  package init(settings: Settings) {
    self.settings = settings
  }

  /// Of the last committed turn, whether the server still holds it or not.
  package var responseID: String { chain.responseID }

  package var hasActions: Bool { !actions.isEmpty }

  package func takeActions() -> [Action] {
    guard !actions.isEmpty else { return [] }
    defer { actions = [] }
    return actions
  }

  /// The body that HTTP would need for this next turn.
  package func fullBody(input: TurnInput) -> [UInt8] {
    chain.fullBody(settings: settings, input: input)
  }

  // MARK: Commands

  package func start(_ request: TurnRequest, now: Instant) {
    let turn = ActiveTurn(request, start: now)
    guard !isClosed else {
      return end(turn, .failed, ResponsesError(.closed, "The session is closed."), now)
    }
    queue.append(turn)
    pump(now)
  }

  package func cancel(_ id: TurnID, now: Instant) {
    cancel(id, ResponsesError(.cancelled, "The turn was cancelled."), now)
  }

  /// Connects ahead. Answered by `connectEnded`, at once if connected.
  package func connect(now: Instant) {
    guard !isClosed else {
      actions.append(.connectEnded(ResponsesError(.closed, "The session is closed.")))
      return
    }
    switch link {
    case .open, .draining: actions.append(.connectEnded(nil))
    case .connecting: isConnectWanted = true
    case .none:
      isConnectWanted = true
      beginConnecting()
    }
  }

  /// The caller's queue for the running turn is full (true) or has room again (false). A pause ends with
  /// its turn: what the caller leaves unread of one turn must not hold up the next.
  package func setPaused(_ paused: Bool, _ turn: TurnID, now: Instant) {
    guard let active, active.request.id == turn else { return }
    isPaused = paused
    if !paused, case .streaming = active.phase { self.active?.phase = .streaming(last: now) }
  }

  package func close(now: Instant) {
    guard !isClosed else { return }
    isClosed = true
    let error = ResponsesError(.cancelled, "The session was closed while the turn ran.")
    let waiting = queue
    queue = []
    endActive(.cancelled, error.with(active?.execution ?? .notSent), now)
    for turn in waiting { end(turn, .cancelled, error, now) }
    dropLink()
    if isConnectWanted {
      isConnectWanted = false
      actions.append(.connectEnded(ResponsesError(.closed, "The session was closed.")))
    }
  }

  // MARK: Happenings

  package func opened(_ connection: ConnectionID, now: Instant) {
    guard case .connecting(connection) = link else { return }
    link = .open(connection)
    if isConnectWanted {
      isConnectWanted = false
      actions.append(.connectEnded(nil))
    }
    pump(now)
  }

  /// - Parameter error: why; its `execution` is filled in here.
  package func closed(_ connection: ConnectionID, _ error: ResponsesError, now: Instant) {
    switch link {
    case .connecting(connection):
      link = .none
      if isConnectWanted {
        isConnectWanted = false
        actions.append(.connectEnded(error))
      }
      endActive(.failed, error.with(.notSent), now)
    case .open(connection):
      link = .none
      chain.dropAnchorUnlessStored()
      lost(error, now)
    case .draining(connection):
      link = .none
    case .none, .connecting, .open, .draining:
      return
    }
    pump(now)
  }

  package func flushed(_ turn: TurnID, now: Instant) {
    guard active?.request.id == turn, case .sending = active?.phase else { return }
    active?.flushed(now)
  }

  package func receive(_ connection: ConnectionID, text: UnsafeRawBufferPointer, now: Instant) {
    // The rest of a read burst may still come from a connection that was given up within it.
    switch link {
    case .open(connection), .draining(connection): break
    case .none, .connecting, .open, .draining: return
    }
    let fields: ScannedEvent
    do {
      fields = try EventScanner.scan(text)
    } catch {
      return received(invalid: text, "\(error)", now)
    }
    if case .draining = link {
      drained(fields, text, now)
    } else if active == nil {
      idle(fields, text, now)
    } else {
      received(fields, text, now)
    }
  }

  /// All messages of one read burst were received: what has gathered goes to the caller.
  package func finishedRead(now: Instant) {
    flush()
  }

  package func timeout(now: Instant) {
    var expired: [(TurnID, Status)] = []
    for turn in queue {
      if let (due, status) = turn.deadline(isPaused: isPaused), due <= now {
        expired.append((turn.request.id, status))
      }
    }
    if let turn = active, let (due, status) = turn.deadline(isPaused: isPaused), due <= now {
      expired.append((turn.request.id, status))
    }
    for (id, status) in expired {
      let execution = active?.request.id == id ? active?.execution : nil
      cancel(id, .expiry(status, execution ?? .notSent), now)
    }
  }

  package var nextDeadline: Instant? {
    var next = active?.deadline(isPaused: isPaused)?.0
    for turn in queue {
      guard let (due, _) = turn.deadline(isPaused: isPaused) else { continue }
      next = next.map { min($0, due) } ?? due
    }
    return next
  }

  // MARK: Sending

  /// Moves the head of the queue on as far as the connection allows.
  private func pump(_ now: Instant) {
    guard !isClosed else { return }
    while true {
      if active == nil {
        guard !queue.isEmpty else { return }
        active = queue.removeFirst()
      }
      guard let turn = active, case .connecting = turn.phase else { return }
      let missing = chain.unanswered(by: turn.request)
      guard missing.isEmpty else {
        endActive(.failed, .missingOutput(missing), now)
        continue
      }
      switch link {
      case .open(let connection): return send(on: connection)
      case .connecting: return
      case .draining(let connection):
        actions.append(.close(connection))
        return beginConnecting()
      case .none: return beginConnecting()
      }
    }
  }

  private func beginConnecting() {
    let connection = ConnectionID(nextConnection)
    nextConnection += 1
    link = .connecting(connection)
    actions.append(.connect(connection))
  }

  private func send(on connection: ConnectionID) {
    guard var turn = active else { return }
    let planned = chain.plan(turn.request, on: connection)
    turn.phase = .sending
    turn.stats.isDelta = planned.isDelta
    turn.stats.requestBytes = planned.body.count
    turn.stats.fullRequestBytes = planned.fullBytes
    active = turn
    actions.append(.send(connection, planned.body, turn.request.id))
  }

  // MARK: Receiving

  private func received(_ fields: ScannedEvent, _ text: UnsafeRawBufferPointer, _ now: Instant) {
    if fields.kind == .error, resend(after: fields, text, now) { return }
    active?.append(text, fields, now)
    switch fields.kind {
    case .outputTextDelta, .refusalDelta, .functionCallArgumentsDelta, .customToolCallInputDelta,
      .reasoningSummaryTextDelta, .reasoningTextDelta, .outputItemAdded, .contentPartAdded,
      .contentPartDone, .outputTextDone, .refusalDone, .functionCallArgumentsDone,
      .customToolCallInputDone, .reasoningSummaryPartAdded, .reasoningSummaryPartDone,
      .reasoningSummaryTextDone, .reasoningTextDone:
      break
    case .other, .notice:
      break
    case .responseCreated, .responseQueued, .responseInProgress:
      active?.hasStarted = true
    case .outputItemDone:
      if let item = fields.item.value(in: text) {
        active?.finishedItems.append((fields.outputIndex, item))
      }
    case .responseCompleted, .responseIncomplete, .responseFailed:
      finish(fields, text, now)
    case .error:
      fail(fields, .api, text, now)
    }
    if active?.batch?.isFull == true { flush() }
  }

  /// Nothing was generated for a request that was refused before it started: the same turn goes out
  /// again, in the form that the refusal calls for, and the caller sees a notice instead of an error.
  private func resend(
    after fields: ScannedEvent, _ text: UnsafeRawBufferPointer, _ now: Instant
  ) -> Bool {
    guard let turn = active, !turn.hasStarted, !turn.hasOutput,
      !turn.request.settings.hasConversation
    else { return false }
    let error = ResponsesError(APIErrorFields(fields, in: text), fallback: .api, body: text)
    switch error.status {
    case .previousResponseNotFound where turn.stats.isDelta:
      guard !turn.resendReasons.contains(error.code) else { return false }
      chain.dropAnchor()
    case .connectionLimit:
      guard !turn.resendReasons.contains(error.code) else { return false }
      dropLink()
      chain.dropAnchorUnlessStored()
    default:
      return false
    }
    rewind(reason: error.code, now)
    return true
  }

  private func rewind(reason: String, _ now: Instant) {
    active?.rewind(reason: reason)
    active?.appendNotice(type: "rws.resent", reason: reason)
    flush()
    pump(now)
  }

  private func finish(_ fields: ScannedEvent, _ text: UnsafeRawBufferPointer, _ now: Instant) {
    switch fields.kind {
    case .responseFailed: return fail(fields, .responseFailed, text, now)
    case .responseIncomplete:
      commit(fields.response.bytes(in: text), isComplete: false)
      endActive(.incomplete, nil, now)
    default:
      commit(fields.response.bytes(in: text), isComplete: true)
      endActive(.completed, nil, now)
    }
    pump(now)
  }

  private func fail(
    _ fields: ScannedEvent, _ fallback: Status, _ text: UnsafeRawBufferPointer, _ now: Instant
  ) {
    // A failed continuation evicts the response that it referred to (protocol.md, The server's cache).
    chain.dropAnchorUnlessStored()
    var error = ResponsesError(
      APIErrorFields(fields, in: text), fallback: fallback, body: text)
    if error.status == .connectionLimit { dropLink() }
    error.execution = active.map { $0.hasStarted || $0.hasOutput ? $0.execution : .rejected }
      ?? .rejected
    endActive(.failed, error, now)
    pump(now)
  }

  private func received(
    invalid text: UnsafeRawBufferPointer, _ reason: String, _ now: Instant
  ) {
    var error = ResponsesError(
      .invalidEvent,
      "The server sent a message that is no event (\(reason)). The connection was closed; "
        + "check that the base URL points to a Responses API.")
    error.body = Array(text.prefix(ResponsesError.bodyBytesMax))
    dropLink()
    chain.dropAnchorUnlessStored()
    if let turn = active { endActive(.failed, error.with(turn.execution), now) }
    pump(now)
  }

  /// The response of a cancelled turn goes on; its end makes the connection usable again.
  private func drained(_ fields: ScannedEvent, _ text: UnsafeRawBufferPointer, _ now: Instant) {
    guard fields.kind.isTerminal || fields.kind == .error, case .draining(let connection) = link
    else { return }
    link = .open(connection)
    idle(fields, text, now)
    pump(now)
  }

  /// Without a turn in flight only the connection itself can be meant.
  private func idle(_ fields: ScannedEvent, _ text: UnsafeRawBufferPointer, _ now: Instant) {
    guard fields.kind == .error else { return }
    let error = ResponsesError(APIErrorFields(fields, in: text), fallback: .api, body: text)
    guard error.status == .connectionLimit else { return }
    dropLink()
    chain.dropAnchorUnlessStored()
  }

  /// The open connection ended under the running turn, if there is one.
  private func lost(_ error: ResponsesError, _ now: Instant) {
    guard let turn = active else { return }
    switch turn.phase {
    case .connecting: return
    case .sending where !turn.resendReasons.contains("not_sent"):
      active?.rewind(reason: "not_sent")
    case .sending:
      // What the kernel does not have whole by now never goes out.
      endActive(.failed, error.underTurn(.notSent), now)
    case .waiting, .streaming:
      endActive(.failed, error.underTurn(turn.execution), now)
    }
  }

  private func commit(_ response: UnsafeRawBufferPointer, isComplete: Bool) {
    guard let turn = active, case .open(let connection) = link else { return }
    chain.commit(turn, response: response, isComplete: isComplete, on: connection)
  }

  private func dropLink() {
    switch link {
    case .none: break
    case .connecting(let connection), .open(let connection), .draining(let connection):
      actions.append(.close(connection))
    }
    link = .none
  }

  // MARK: Ending

  private func cancel(_ id: TurnID, _ error: ResponsesError, _ now: Instant) {
    if let index = queue.firstIndex(where: { $0.request.id == id }) {
      return end(queue.remove(at: index), .cancelled, error, now)
    }
    guard let turn = active, turn.request.id == id else { return }
    switch (turn.phase, link) {
    case (.sending, .open), (.waiting, .open), (.streaming, .open):
      if case .open(let connection) = link { link = .draining(connection) }
      chain.dropAnchorUnlessStored()
    case (.connecting, _), (.sending, _), (.waiting, _), (.streaming, _):
      break
    }
    endActive(.cancelled, error.with(turn.execution), now)
    pump(now)
  }

  private func endActive(_ outcome: Outcome, _ error: ResponsesError?, _ now: Instant) {
    flush()
    guard let turn = active else { return }
    active = nil
    isPaused = false
    end(turn, outcome, error, now)
  }

  private func end(
    _ turn: ActiveTurn, _ outcome: Outcome, _ error: ResponsesError?, _ now: Instant
  ) {
    var stats = turn.stats
    stats.end = turn.elapsed(now)
    actions.append(.end(turn.request.id, TurnEnd(outcome: outcome, error: error, stats: stats)))
  }

  private func flush() {
    guard let turn = active, let batch = turn.batch else { return }
    active?.batch = nil
    active?.lastBatch = (min(batch.jsonBytes, EventBatch.bytesMax) * 9 / 8, batch.records.count)
    actions.append(.deliver(turn.request.id, batch, turn.stats))
  }
}
