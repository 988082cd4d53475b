import RWSNetwork

/// One chain of responses: its settings and its history. Thread-safe.
public final class Session: Sendable {
  let client: Client
  let id: SessionID
  let settings: Settings
  private let signal = ReadinessSignal()
  private let state = State()
  let compacting = ErrandSlot<Int, Compacted>()
  let counting = ErrandSlot<TurnInput, Int64>()

  private final class State: @unchecked Sendable {
    let lock = Lock()
    var isClosed = false
    /// Turns that have not ended.
    var openTurns = 0
    /// Of an attempt that `connect` began and did not wait for: the next one tells.
    private var connectFailure: ResponsesError?

    func admitTurn() throws(ResponsesError) {
      try lock.withLock { () throws(ResponsesError) in
        guard openTurns <= Session.waitingTurnsMax else {
          throw ResponsesError(
            .limit, "\(Session.waitingTurnsMax) turns of the session are waiting already.")
        }
        openTurns += 1
      }
    }

    func turnEnded() { lock.withLock { openTurns -= 1 } }

    func keepConnectFailure(_ error: ResponsesError?) { lock.withLock { connectFailure = error } }

    func takeConnectFailure() -> ResponsesError? {
      lock.withLock {
        defer { connectFailure = nil }
        return connectFailure
      }
    }
  }

  /// Turns that may wait behind the running one.
  public static let waitingTurnsMax = 256

  init(
    client: Client, settings: Settings, as identity: PreparedIdentity?,
    restoring saved: SavedSession? = nil
  ) {
    self.client = client
    self.settings = settings
    id = client.core.makeSessionID()
    client.core.loop.post { [id, core = client.core] in
      core.open(id, settings, as: identity)
      if let saved { core.machine.restore(saved, as: id) }
    }
  }

  private init(forking source: Session) {
    client = source.client
    settings = source.settings
    id = client.core.makeSessionID()
    client.core.loop.post { [id, core = client.core, source = source.id] in
      core.fork(source, as: id)
    }
  }

  deinit {
    if let close = beginClosing() { client.core.loop.post(close) }
  }

  /// Running turns end as cancelled; a second close has no effect.
  public func close() {
    guard let close = beginClosing() else { return }
    _ = try? client.core.ask(timeout: ClientCore.loopPatience) { (done: @Sendable (Bool) -> Void) in
      close()
      done(true)
    }
  }

  /// What is left to do on the loop; nil the second time.
  private func beginClosing() -> (@Sendable () -> Void)? {
    guard !client.core.isForkedChild else { return nil }
    let wasClosed = state.lock.withLock {
      defer { state.isClosed = true }
      return state.isClosed
    }
    guard !wasClosed else { return nil }
    return { [id, core = client.core] in core.close(id) }
  }

  /// What a turn may differ in from its session and client.
  public struct TurnOptions: Sendable {
    /// A JSON object: body fields of this turn that replace or, with null, remove those of the session.
    public var overrides = ""
    /// `generate:false`: prepares the input on the server without output, and chains.
    public var isWarmUp = false
    /// Calls of the last response that the input does not answer are given up instead of failing the turn: they, and
    /// the reasoning that led to them alone, leave the history, which is sent in full (`callsAbandoned`).
    public var isAbandoningCalls = false
    /// nil: the client's. `.max` seconds and the like: no limit.
    public var firstEventTimeout: Duration?
    public var eventGapTimeout: Duration?
    public var turnTimeout: Duration?
    /// nil: the client's.
    public var replayPolicy: ReplayPolicy?
    /// What carries the turn; nil: as for the client. `TurnStats.transport` says what did.
    public var transport: TransportChoice?

    public init(overrides: String = "", isWarmUp: Bool = false) {
      self.overrides = overrides
      self.isWarmUp = isWarmUp
    }
  }

  /// Starts a turn with one user message.
  public func start(_ text: String, options: TurnOptions = TurnOptions()) throws(ResponsesError)
    -> Turn
  {
    try start([.user(text)], options: options)
  }

  /// Starts a turn and returns at once; connects if need be. Turns of one session run one after the
  /// other. Give only what is new: the library sends `previous_response_id` and these items, or the
  /// whole history where the server cannot have it.
  public func start(_ input: [InputItem], options: TurnOptions = TurnOptions())
    throws(ResponsesError) -> Turn
  {
    try start(.new(InputItem.checked(input)), options)
  }

  /// Starts a turn with the whole history, as over HTTP: all items so far, those of the responses included,
  /// followed by what is new. The library compares it with what the server holds and sends only what is new
  /// where it can; `stats.fullReason` says why not. Response items may have gone through any JSON library.
  /// - Parameter json: A JSON array of items. Not to be called while another turn of the session runs or waits: the
  ///   history would be another by then (`busy`).
  public func start(history json: [UInt8], options: TurnOptions = TurnOptions())
    throws(ResponsesError) -> Turn
  {
    let content = try json.withUnsafeBufferPointer { bytes throws(ResponsesError) in
      try whole(UnsafeRawBufferPointer(bytes))
    }
    return try start(content, options)
  }

  private func start(_ content: TurnRequest.Content, _ options: TurnOptions)
    throws(ResponsesError) -> Turn
  {
    let prepared = try prepare(
      content: content, overrides: Settings(overrides: Array(options.overrides.utf8)),
      isWarmUp: options.isWarmUp, isAbandoningCalls: options.isAbandoningCalls,
      limits: limits(options), replayPolicy: options.replayPolicy, transport: options.transport,
      onEvent: nil)
    try prepared.launch()
    return prepared.turn
  }

  package func whole(_ json: UnsafeRawBufferPointer) throws(ResponsesError) -> TurnRequest.Content {
    let history = try ask { $0.history($1) }
    return .whole(try WholeHistory(json, against: history))
  }

  /// A session that goes on from here by itself: same settings, same history. Its next turn continues this
  /// session's last response on a lane of its own if this session has not gone on meanwhile, else it is sent in full.
  public func fork() throws(ResponsesError) -> Session {
    try checkIsOpen()
    return Session(forking: self)
  }

  /// A turn that begins with `launch()`, so that a callback can know its handle before the first event.
  package func prepare(
    content: TurnRequest.Content, overrides: Settings, isWarmUp: Bool, isAbandoningCalls: Bool = false,
    limits: TurnLimits, replayPolicy: ReplayPolicy? = nil, transport: TransportChoice? = nil,
    onEvent: (@Sendable (Event?) -> Void)?
  ) throws(ResponsesError) -> (turn: Turn, launch: () throws(ResponsesError) -> Void) {
    try checkIsOpen()
    try state.admitTurn()
    // The history that they speak of is about to be another.
    compacting.dropAnswer()
    counting.dropAnswer()
    state.keepConnectFailure(nil)
    let request = TurnRequest(
      id: client.core.makeTurnID(), content: content, settings: settings.merging(overrides),
      isWarmUp: isWarmUp, isStrict: client.core.isStrict, isAbandoningCalls: isAbandoningCalls,
      transport: transport, limits: limits, recovery: recovery(replayPolicy),
      measure: client.core.tokens.measure(content.input))
    let turn = TurnCore(
      id: request.id, signal: signal, onEvent: onEvent, onEnd: { [state] in state.turnEnded() })
    let start = Instant(nanoseconds: MonotonicClock.now())
    let launch = { [id, core = client.core] () throws(ResponsesError) in
      let isPosted = core.loop.post {
        core.start(request, turn, in: id, requestedAt: start)
      }
      guard !isPosted else { return }
      turn.refuse()
      throw ResponsesError(.closed, "The client was closed before the turn began.")
    }
    return (Turn(session: self, core: turn), launch)
  }

  /// Connects ahead, so that the first turn need not wait for it. Optional.
  /// - Returns: false if it is still connecting after `timeout`; the next call goes on with the same attempt, and throws
  ///   why it failed if it has.
  @discardableResult
  public func connect(timeout: Duration? = nil) throws(ResponsesError) -> Bool {
    try checkIsOpen()
    if timeout != .zero { try client.core.checkMayWait() }
    let outcome = try client.core.ask(
      timeout: timeout, late: { [state] in state.keepConnectFailure($0) }
    ) { [id, state, core = client.core] answer in
      // Another attempt for each look at the last one would never end with a server that refuses.
      if let failure = state.takeConnectFailure() { return answer(failure) }
      core.connect(id, answer)
    }
    switch outcome {
    case nil: return false
    case .some(nil): return true
    case .some(.some(let error)): throw error
    }
  }

  /// Id of the last response that belongs to the chain; empty before the first.
  public var responseID: String {
    get throws(ResponsesError) {
      try ask { $0.responseID($1) }
    }
  }

  /// The body that `POST /v1/responses` would need for the same next turn: the settings and the whole
  /// history followed by the input. Sends nothing.
  public func fullBody(_ input: [InputItem]) throws(ResponsesError) -> String {
    String(decoding: try fullBody(InputItem.checked(input)), as: UTF8.self)
  }

  package func fullBody(_ input: TurnInput) throws(ResponsesError) -> [UInt8] {
    try ask { $0.fullBody($1, input: input) }
  }

  /// A descriptor to wait on in a loop of the caller's own: readable while a turn of the session has
  /// events or an end that was not read. Only poll it; it closes with the session object.
  public var descriptor: Int32 {
    get throws(ResponsesError) {
      if client.core.isForkedChild { throw ResponsesError(.forked, "Made by the parent process.") }
      return try signal.open()
    }
  }

  /// What the machine knows of the session.
  func ask<Answer: Sendable>(
    _ question: @escaping @Sendable (ClientMachine, SessionID) -> Answer
  ) throws(ResponsesError) -> Answer {
    try checkIsOpen()
    let answer = try client.core.ask(timeout: nil) { [id, core = client.core] answer in
      answer(question(core.machine, id))
    }
    guard let answer else { throw ResponsesError(.closed, "The client is closed.") }
    return answer
  }

  package func limits(_ options: TurnOptions) -> TurnLimits {
    let client = client.core.options
    return TurnLimits(
      firstEvent: (options.firstEventTimeout ?? client.firstEventTimeout)?.nanoseconds,
      eventGap: (options.eventGapTimeout ?? client.eventGapTimeout)?.nanoseconds,
      total: (options.turnTimeout ?? client.turnTimeout)?.nanoseconds)
  }

  private func recovery(_ policy: ReplayPolicy?) -> RecoveryOptions {
    var recovery = client.core.options.recovery
    if let policy { recovery.replay = policy }
    return recovery
  }

  func checkIsOpen() throws(ResponsesError) {
    if let refusal = client.core.refusal { throw refusal }
    if state.lock.withLock({ state.isClosed }) {
      throw ResponsesError(.closed, "The session is closed.")
    }
  }
}
