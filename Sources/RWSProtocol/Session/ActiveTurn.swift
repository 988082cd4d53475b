import RWSJSON

/// The turn at the head of a session: how far its request has come and what it has shown.
///
///   connecting ──send──▶ sending ──flushed──▶ waiting ──event──▶ streaming ──terminal──▶ (ended)
///       ▲                   │                    │
///       └─────── resend: not whole, or refused before it ran
struct ActiveTurn {
  enum Phase {
    /// No connection to send on yet.
    case connecting
    /// Handed over, not yet wholly with the kernel.
    case sending
    /// With the server; no event seen.
    case waiting(since: Instant)
    case streaming(last: Instant)
  }

  let request: TurnRequest
  let start: Instant
  var phase: Phase = .connecting
  /// `response.created` or later was seen: the server works on it. Metadata does not count.
  var hasStarted = false
  /// A delta or an item was seen.
  var hasOutput = false
  var finishedItems: [(outputIndex: Int64, item: JSONValue)] = []
  /// Events received and not yet delivered.
  var batch: EventBatch?
  /// What the last delivered batch held: the next one is likely to hold as much.
  var lastBatch = (bytes: 0, records: 0)
  var stats = TurnStats()
  /// Reasons for which it was already sent again: each counts once.
  var resendReasons: Set<String> = []

  init(_ request: TurnRequest, start: Instant) {
    self.request = request
    self.start = start
  }

  var execution: Execution {
    if hasOutput { return .outputSeen }
    if hasStarted { return .started }
    switch phase {
    case .connecting: return .notSent
    // Its bytes are queued: on a connection that lives on they may still all go out.
    case .sending, .waiting, .streaming: return .unknown
    }
  }

  func elapsed(_ now: Instant) -> Int64 { now.nanoseconds(since: start) }

  /// The next limit to expire and what its expiry is called.
  func deadline(isPaused: Bool) -> (Instant, Status)? {
    var next: (Instant, Status)?
    func consider(_ from: Instant, _ limit: Int64?, _ status: Status) {
      guard let limit else { return }
      let due = from.advanced(byNanoseconds: limit)
      if let (earlier, _) = next, earlier <= due { return }
      next = (due, status)
    }
    consider(start, request.limits.total, .turnTimeout)
    // Nothing can arrive while the caller's full queue has stopped the reading.
    guard !isPaused else { return next }
    switch phase {
    case .connecting, .sending: break
    case .waiting(let since): consider(since, request.limits.firstEvent, .firstEventTimeout)
    case .streaming(let last): consider(last, request.limits.eventGap, .eventGapTimeout)
    }
    return next
  }

  /// Back to the start, to be sent again.
  mutating func rewind(reason: String) {
    phase = .connecting
    resendReasons.insert(reason)
    stats.resendCount += 1
  }
}
