import RWSJSON

/// A turn from its start to its end: how far its request has come and what it has shown.
///
///   queued ──▶ placing ──send──▶ sending ──flushed──▶ waiting ──event──▶ streaming ──terminal──▶ (ended)
///                 ▲                 │                    │
///                 ├─────────────────┴────────────────────┘
///                 └── holding: the same, after a wait         (what is sent again, and when: `Recovery`)
///
///   waiting, streaming ──connection lost──▶ lookingUp ──▶ (ended)     a stored response (`ClientMachine+LookingUp`)
final class ActiveTurn {
  enum Phase {
    /// Behind other turns of its session.
    case queued
    /// At the head; no lane to send on yet.
    case placing
    /// Waits to be sent again.
    case holding(until: Instant)
    /// Handed over, not yet wholly with the kernel.
    case sending(Seat)
    /// With the server; no event seen.
    case waiting(Seat, since: Instant)
    case streaming(Seat, last: Instant)
    /// The connection is gone; the stored response is looked for.
    case lookingUp(Seat, since: Instant, error: ResponsesError)
    case ended
  }

  let request: TurnRequest
  let session: SessionState
  let start: Instant
  var phase = Phase.queued
  /// `response.created` or later was seen.
  var isCreated = false
  /// An item or a delta was seen, be it that an item began.
  private(set) var hasOutput = false
  /// Something of what the model made was seen.
  private(set) var hasContent = false
  /// The chain has taken over its caller's form of the history's end: once, however often the turn is placed.
  var isAligned = false
  var finishedItems: [(outputIndex: Int64, item: JSONValue)] = []
  /// The lane whose latest response it continues on another, until the server has begun.
  var forkedFrom: Seat?
  /// No message of a WebSocket may hold it.
  var isTooLargeForWebSocket = false
  /// Why it goes over HTTP, where WebSocket was wanted.
  var fallbackError: ResponsesError?
  /// Known when somebody steers it.
  var responseID = ""
  /// Input for the response that runs, in the order of its submission.
  var steers: [Steer] = []
  /// Steers of the turn before that the server puts at the head of this one's input.
  var steersAhead: [Steer] = []
  /// Events received and not yet delivered.
  private(set) var batch: EventBatch?
  /// What the last delivered batch held: the next one is likely to hold as much.
  private var lastBatch = (bytes: 0, records: 0)
  var stats = TurnStats()
  /// Over all sendings.
  var sentBytes = 0
  /// As the terminal event reported it.
  var usage: Usage?
  /// What its settings change in the context.
  var contextChanges: ContextChanges = []
  /// The session's ledger has it.
  var isBooked = false
  private var resendCauses: Set<Recovery.Cause> = []
  /// How far the sendings before had come.
  private(set) var earlierExecution = Execution.notSent
  /// The caller's queue is full.
  var isUnread = false
  /// When the earliest alarm of this turn rings; later limits are looked at then.
  var alarm: Instant?

  init(_ request: TurnRequest, _ session: SessionState, start: Instant) {
    self.request = request
    self.session = session
    self.start = start
  }

  var seat: Seat? {
    switch phase {
    case .sending(let seat), .waiting(let seat, _), .streaming(let seat, _): seat
    case .queued, .placing, .holding, .lookingUp, .ended: nil
    }
  }

  var isHolding: Bool {
    if case .holding = phase { true } else { false }
  }

  func hasUsed(_ cause: Recovery.Cause) -> Bool { resendCauses.contains(cause) }

  /// Metadata does not count, `response.created` included: it may come and the response never run.
  var execution: Execution {
    if hasContent { return .outputSeen }
    if hasOutput { return .started }
    switch phase {
    case .queued, .placing, .holding, .ended: return .notSent
    // Its bytes are queued: on a connection that lives on they may still all go out.
    case .sending, .waiting, .streaming, .lookingUp: return .unknown
    }
  }

  /// What the kernel does not have whole when the connection ends never goes out.
  var executionWithoutConnection: Execution {
    if case .sending = phase { .notSent } else { execution }
  }

  func elapsed(_ now: Instant) -> Int64 { now.nanoseconds(since: start) }

  /// The next limit to expire and what its expiry is called.
  var deadline: (due: Instant, status: Status)? {
    var next: (due: Instant, status: Status)?
    func consider(_ from: Instant, _ limit: Int64?, _ status: Status) {
      guard let limit else { return }
      let due = from.advanced(byNanoseconds: limit)
      if let next, next.due <= due { return }
      next = (due, status)
    }
    consider(start, request.limits.total, .turnTimeout)
    switch phase {
    case .queued, .placing, .holding, .sending, .ended: break
    case .lookingUp(_, let since, _): consider(since, request.limits.eventGap, .eventGapTimeout)
    // Nothing can arrive while a caller's full queue has stopped the reading.
    case .waiting(let seat, let since) where !seat.connection.isPaused:
      consider(since, request.limits.firstEvent, .firstEventTimeout)
    case .streaming(let seat, let last) where !seat.connection.isPaused:
      consider(last, request.limits.eventGap, .eventGapTimeout)
    case .waiting, .streaming: break
    }
    return next
  }

  func flushed(_ now: Instant) {
    guard case .sending(let seat) = phase else { return }
    phase = .waiting(seat, since: now)
    stats.sent = elapsed(now)
  }

  /// What is left for its lane to wait for when nobody waits for the turn any more.
  func quarantine(hasEnded: Bool) -> Lane.Quarantine {
    Lane.Quarantine(
      responseID: responseID, awaitedSteers: steers.count { $0.state.isAwaited }, hasEnded: hasEnded)
  }

  /// Back to the start, to be sent again.
  func rewind(_ cause: Recovery.Cause, _ execution: Execution, until: Instant?) {
    earlierExecution = max(earlierExecution, execution)
    phase = until.map { .holding(until: $0) } ?? .placing
    responseID = ""
    isCreated = false
    hasOutput = false
    resendCauses.insert(cause)
    stats.resendCount += 1
  }

  /// What it adds to the context: the steers that its request commits come first.
  var lastingInput: ItemList {
    guard !steersAhead.isEmpty else { return request.input.lasting }
    var items = ItemList()
    for steer in steersAhead { items.append(contentsOf: steer.input.lasting) }
    items.append(contentsOf: request.input.lasting)
    return items
  }

  // MARK: Events

  func append(_ text: UnsafeRawBufferPointer, _ fields: ScannedEvent, _ now: Instant) {
    switch phase {
    // Keep-alives and the like may come before the request is out; they do not answer it.
    case .sending where fields.kind == .other: break
    case .sending(let seat), .waiting(let seat, _), .streaming(let seat, _):
      phase = .streaming(seat, last: now)
    case .queued, .placing, .holding, .lookingUp, .ended: break
    }
    if stats.firstEvent == nil { stats.firstEvent = elapsed(now) }
    if !hasOutput, fields.kind.isOutput {
      hasOutput = true
      if stats.firstOutput == nil { stats.firstOutput = elapsed(now) }
    }
    if !hasContent, fields.kind.isContent { hasContent = true }
    stats.eventCount += 1
    stats.receivedBytes += text.count
    if let batch {
      batch.append(text, fields)
      return
    }
    let fresh = EventBatch(
      capacity: max(text.count + 1024, lastBatch.bytes), recordCapacity: lastBatch.records)
    fresh.append(text, fields)
    batch = fresh
  }

  func appendNotice(_ notice: Notice) {
    appendNotice(notice.kind.rawValue) { notice.write(to: &$0) }
  }

  /// An event of the library's own.
  func appendNotice(_ type: String, _ members: (inout JSONWriter) -> Void) {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("type", type)
    members(&writer)
    writer.endObject()
    let batch = self.batch ?? EventBatch(capacity: 1024)
    writer.bytes.withUnsafeBytes { text in
      guard var fields = try? EventScanner.scan(text) else { return }
      fields.kind = .notice
      batch.append(text, fields)
    }
    self.batch = batch
  }

  func takeBatch() -> EventBatch? {
    guard let batch else { return nil }
    self.batch = nil
    lastBatch = (min(batch.jsonBytes, EventBatch.bytesMax) * 9 / 8, batch.records.count)
    return batch
  }
}
