import RWSNetwork

/// One `response.create`, from request to terminal event.
///
/// Read it with `next()` or `for try await event in turn`, or only `wait()` for its end. One reader at a
/// time. Thread-safe otherwise. A turn that is dropped while it runs is cancelled.
public final class Turn: Sendable {
  let session: Session
  let core: TurnCore

  init(session: Session, core: TurnCore) {
    self.session = session
    self.core = core
  }

  deinit { abandon() }

  public enum Next: Sendable {
    case event(Event)
    /// Completed or incomplete; all events were read.
    case ended
    /// Nothing happened within the time given.
    case nothingYet
  }

  /// The next event; nil when the turn has ended well (completed or incomplete). Waits; the turn's time
  /// limits bound the wait. Throws the error that ended the turn.
  public func next() throws(ResponsesError) -> Event? {
    switch try next(within: nil) {
    case .event(let event): event
    case .ended, .nothingYet: nil
    }
  }

  /// As `next()`, waiting at most `timeout`; nil: no limit.
  public func next(within timeout: Duration?) throws(ResponsesError) -> Next {
    switch try read(timeout, { core.next(.event, until: $0, hasRoomAgain: resume) }) {
    case .events(let batch, let range): .event(Event(batch: batch, index: range.lowerBound))
    case .ended: .ended
    case .nothingYet: .nothingYet
    }
  }

  /// Waits for the end, at most `timeout`. Events not read yet are dropped; the result holds what they
  /// said. Throws the error that ended the turn.
  /// - Returns: false if the turn still runs.
  @discardableResult
  public func wait(timeout: Duration? = nil) throws(ResponsesError) -> Bool {
    switch try read(timeout, { core.waitForEnd(until: $0, hasRoomAgain: resume) }) {
    case .events, .nothingYet: false
    case .ended: true
    }
  }

  /// Ends the turn at once with `cancelled`. Events that were not read yet are dropped; the result holds
  /// what they said. The API has no cancel event: the server may work on, and bill, to the end. The
  /// session goes on from its last committed response. A turn that has ended stays as it is.
  public func cancel() {
    guard !session.client.core.isForkedChild, !core.hasEnded else { return }
    core.dropEvents()
    let cancel = cancelOnLoop
    // Closed means ended: there is nothing left to cancel.
    _ = try? session.client.core.ask(timeout: ClientCore.loopPatience) { (done: @Sendable (Bool) -> Void) in
      cancel()
      done(true)
    }
  }

  /// As `cancel()`, without waiting until it has taken effect.
  package func requestCancel() {
    guard !session.client.core.isForkedChild, !core.hasEnded else { return }
    core.dropEvents()
    session.client.core.loop.post(cancelOnLoop)
  }

  /// Calls `action` once, as soon as there is something to read.
  package func whenReadable(_ action: @escaping @Sendable () -> Void) { core.whenReadable(action) }

  private var cancelOnLoop: @Sendable () -> Void {
    { [id = core.id, client = session.client.core] in client.cancel(id) }
  }

  /// The caller has let go of the turn: it is cancelled if it runs, and when this returns its callback
  /// runs no more (called from that callback: after it has returned).
  package func abandon() {
    guard !session.client.core.isForkedChild else { return }
    let client = session.client.core
    if let untaken = core.abandon(waitingForCallback: !client.thread.isCurrent) {
      client.loop.post { client.resume(untaken.id) }
    }
    requestCancel()
  }

  // MARK: What it has brought, read yet or not

  public var outcome: Outcome { core.withAssembly { $1?.outcome ?? .running } }
  /// Why the turn failed or was cancelled; nil while it runs or when it ended well.
  public var error: ResponsesError? { core.withAssembly { $1?.error } }
  public var responseID: String { core.withAssembly { assembly, _ in assembly.responseID } }
  /// All output text so far.
  public var text: String { string(\.text) }
  public var refusal: String { string(\.refusal) }
  /// Parts are separated by a blank line.
  public var reasoningSummary: String { string(\.reasoningSummary) }
  /// `max_output_tokens`, `content_filter`, …; empty unless the outcome is `incomplete`.
  public var incompleteReason: String { core.withAssembly { assembly, _ in assembly.incompleteReason } }
  /// JSON of the terminal event's response; empty while the turn runs.
  public var response: String { string(\.response) }
  /// The tool calls that the session's next turn has to answer.
  public var calls: [ToolCall] { core.withAssembly { assembly, _ in assembly.calls } }
  /// JSON of the finished output items.
  public var items: [String] {
    core.withAssembly { assembly, _ in assembly.items.map { String(decoding: $0, as: UTF8.self) } }
  }
  /// Tokens as the server counted them; nil before the end or where it does not say.
  public var usage: Usage? { core.withAssembly { assembly, _ in assembly.usage } }
  /// JSON of the response's `input_transformations`: input items that the server changed or kept from the model, with the
  /// reasons; empty where it names none.
  public var inputTransformations: String { string(\.inputTransformations) }
  public var stats: TurnStats { core.currentStats }

  // MARK: For the C interface

  package enum Taken {
    case events(EventBatch, Range<Int>)
    case ended
    case nothingYet
  }

  /// As `next(within:)`: one event or all that lie in one piece. The batch lives at least until the next
  /// call or the end of the turn.
  package func take(_ portion: EventQueue.Portion, within timeout: Duration?)
    throws(ResponsesError) -> Taken
  {
    try read(timeout) { core.next(portion, until: $0, hasRoomAgain: resume) }
  }

  package func withAssembly<Result>(_ body: (TurnAssembly, TurnEnd?) -> Result) -> Result {
    core.withAssembly(body)
  }

  private func string(_ path: KeyPath<TurnAssembly, [UInt8]>) -> String {
    core.withAssembly { assembly, _ in String(decoding: assembly[keyPath: path], as: UTF8.self) }
  }

  private func resume() {
    session.client.core.loop.post { [id = core.id, client = session.client.core] in client.resume(id) }
  }

  private func read(
    _ timeout: Duration?, _ body: (_ deadline: Int64?) -> TurnCore.Next
  ) throws(ResponsesError) -> Taken {
    let client = session.client.core
    if client.isForkedChild { throw ResponsesError(.forked, "The turn belongs to the parent process.") }
    // Most calls find an event: neither the clock nor the thread matters then.
    var next = body(0)
    if case .nothingYet = next, timeout != .zero {
      try client.checkMayWait()
      next = body(timeout.map { MonotonicClock.deadline(after: $0.nanoseconds) })
    }
    switch next {
    case .events(let batch, let range): return .events(batch, range)
    case .ended(nil): return .ended
    case .ended(let error?): throw error
    case .nothingYet: return .nothingYet
    case .isBusy:
      throw ResponsesError(
        .busy, "Another thread is reading this turn, or its events go to a callback.")
    }
  }
}
