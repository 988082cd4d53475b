import RWSNetwork
import RWSWebSocket

/// What a client, its sessions and its turns share: one machine, one loop on one I/O thread. It lives as
/// long as any of them; the public objects decide when it is closed.
///
/// `@unchecked Sendable`: what is marked as the loop's is touched there only, what is marked as the lock's
/// under it, everything else is constant.
final class ClientCore: @unchecked Sendable {
  let options: ClientOptions
  let loop: EventLoop
  let thread: IOThread
  let dialect: Dialect
  let isStrict: Bool
  /// How every connection is made.
  let connect: ConnectOptions
  /// Those over HTTP that wait for their next exchange.
  let idleConnections: IdleConnections
  let proxies: ProxySetup
  let tokens: TokenCounters
  private let fork = ForkGuard()
  let secrets: SecretStore

  private let lock = Lock()
  private let closingEnded = Condition()
  // Guarded by `lock`:
  private var isClosed = false
  private var closingCount = 0
  /// Some peer did not answer the close frame that the client's end sent it.
  private var hasSilentPeer = false
  private var lastSession: UInt64 = 0
  private var lastTurn: UInt64 = 0
  private var lastSteer: UInt64 = 0

  // On the loop:
  let machine: ClientMachine
  var identities: IdentityTable
  var links: [ConnectionID: any Link] = [:]
  var turns: [TurnID: TurnCore] = [:]
  var steers: [SteerID: SteerCore] = [:]
  var connectWaiters: [SessionID: [@Sendable (ResponsesError?) -> Void]] = [:]
  var errands: [ErrandID: Errand] = [:]
  var lastErrand: UInt64 = 0
  var lookups: [ErrandID: HTTPRequestDriver] = [:]
  /// Header fields with the latest key, of routes whose keys are asked for.
  var keyFields: [RouteID: HTTPFields] = [:]
  var keyRequests: [RouteID: KeyExchange] = [:]
  var keyCallers: [KeyWaiter.Caller: (ResponsesError?) -> Void] = [:]
  var lastKeyCaller: KeyWaiter.Caller = 0
  var timer: (id: TimerID, due: Instant)?
  var isPerforming = false
  private(set) var hasClosedSessions = false
  private var sockets: [ObjectIdentifier: WebSocketDriver] = [:]
  private var closing: [ObjectIdentifier: WebSocketChannel] = [:]
  /// How long a peer may take to answer a close frame; `close` brings the caller's own limit.
  private var closingTimeout: Int64 = 5_000_000_000

  init(_ options: ClientOptions) throws(ResponsesError) {
    guard 1...ClientOptions.messageBytesLimit ~= options.messageBytesMax else {
      throw ResponsesError(.invalidArgument, "message_bytes_max must be from 1 byte to 1 GiB.")
    }
    guard 1...ClientOptions.missedPongsLimit ~= options.missedPongsMax else {
      throw ResponsesError(.invalidArgument, "missed_pongs_max must be from 1 to 1,000.")
    }
    guard 1...ClientOptions.messageBytesLimit ~= options.sentMessageBytesMax ?? 1 else {
      throw ResponsesError(
        .invalidArgument, "sent_message_bytes_max must be from 1 byte to 1 GiB.")
    }
    guard options.apiKeySource == nil || options.apiKey == nil else {
      throw .twoKeys
    }
    guard 0...ClientOptions.retriesLimit ~= options.maxRetries else {
      throw ResponsesError(.invalidArgument, "max_retries must be from 0 to 100.")
    }
    if let limit = options.connectionAgeLimit, limit < .seconds(1) {
      throw ResponsesError(.invalidArgument, "connection_age_limit must be at least a second.")
    }
    self.options = options
    isStrict = options.isEffectivelyStrict
    secrets = SecretStore(Secrets(options))
    identities = IdentityTable(secrets: secrets)
    let vocabulary = try options.vocabulary()
    tokens = TokenCounters(vocabulary)
    var limits = PoolLimits()
    limits.primesRotation = options.primesRotation
    limits.keyNanoseconds = Self.limit(options.connectTimeout)
    limits.probeNanoseconds = Self.limit(options.webSocketRetryInterval)
    machine = ClientMachine(
      limits: limits, vocabulary: vocabulary, transport: try options.effectiveTransport(),
      seed: UInt64.random(in: .min ... .max))
    do {
      (connect, proxies) = try Self.connectOptions(options)
      var dialect = Dialect(host: connect.url.host, path: connect.url.path)
      if let limit = options.connectionAgeLimit { dialect.ageLimitNanoseconds = limit.nanoseconds }
      self.dialect = dialect
      loop = try EventLoop()
      idleConnections = IdleConnections(connect.liveness, on: loop)
      thread = try IOThread(loop: loop, name: "responsesws")
    } catch let error as NetworkFailure {
      throw ResponsesError(error)
    } catch let error as ResponsesError {
      throw error
    } catch {
      throw ResponsesError(.internalError, "\(error)")
    }
    log(.debug, proxies.description)
  }

  private static func connectOptions(
    _ options: ClientOptions
  ) throws -> (ConnectOptions, ProxySetup) {
    let url: WebSocketURL
    do {
      url = try WebSocketURL(options.effectiveBaseURL).appendingPath("responses")
    } catch {
      throw ResponsesError(.invalidArgument, "The base URL is not usable: \(error)")
    }
    let fields = try options.upgradeFields(for: url)
    // A pin that is none, or a file that cannot be read, is told now, whatever the URL.
    _ = try options.tls()
    let tls = url.isSecure || options.namesTLSFiles ? try options.tlsContext() : nil
    var connect = ConnectOptions(url: url, tls: tls, fields: fields)
    connect.timeouts = options.connectTimeouts
    connect.limits.receivedMessageBytes = options.messageBytesMax
    connect.liveness.pingInterval = limit(options.pingInterval)
    connect.liveness.missedPongsMax = options.missedPongsMax
    connect.liveness.writeStall = limit(options.writeStallTimeout)
    connect.liveness.idle = limit(options.idleTimeout)
    // What may be sent can be queued.
    connect.limits.queuedBytes = max(
      connect.limits.queuedBytes, options.effectiveSentMessageBytesMax(host: url.host))
    connect.limits.compressedBytesMin = options.compressionThreshold
    if options.compression == .off { connect.deflate = nil }
    let proxies = try ProxySetup(options, to: url)
    connect.proxy = try proxies.hop(to: url)
    return (connect, proxies)
  }

  /// At least a millisecond: no setting may turn a timer into a busy loop.
  private static func limit(_ duration: Duration?) -> Int64 {
    duration.map { max(1_000_000, $0.nanoseconds) } ?? .max
  }

  // MARK: Any thread

  func makeSessionID() -> SessionID {
    lock.withLock {
      lastSession += 1
      return SessionID(lastSession)
    }
  }

  func makeSteerID() -> SteerID {
    lock.withLock {
      lastSteer += 1
      return SteerID(lastSteer)
    }
  }

  func makeTurnID() -> TurnID {
    lock.withLock {
      lastTurn += 1
      return TurnID(lastTurn)
    }
  }

  /// nil when calls may go on.
  var refusal: ResponsesError? {
    if fork.isForkedChild {
      return ResponsesError(.forked, "This client belongs to the parent process; make a new one.")
    }
    if lock.withLock({ isClosed }) { return ResponsesError(.closed, "The client is closed.") }
    return nil
  }

  var isForkedChild: Bool { fork.isForkedChild }

  /// Of one message; the caller's, or the endpoint's.
  var sentMessageBytesMax: Int {
    options.effectiveSentMessageBytesMax(host: connect.url.host)
  }

  /// Throws where waiting would wait for itself.
  func checkMayWait() throws(ResponsesError) {
    guard !thread.isCurrent else {
      throw ResponsesError(.wouldDeadlock, "A waiting call was made from a callback.")
    }
  }

  /// Closes with the closing handshake; true if every peer answered in time.
  func close(timeout: Duration) throws(ResponsesError) -> Bool {
    guard !fork.isForkedChild else {
      throw ResponsesError(.forked, "This client belongs to the parent process.")
    }
    try checkMayWait()
    let deadline = MonotonicClock.deadline(after: timeout.nanoseconds)
    let wasClosed = lock.withLock {
      defer { isClosed = true }
      // Counts as one until the loop has begun to close the real ones.
      if !isClosed { closingCount += 1 }
      return isClosed
    }
    if !wasClosed {
      let isPosted = loop.post { [self] in
        closingTimeout = timeout.nanoseconds
        for channel in closing.values { channel.close(timeoutNanoseconds: closingTimeout) }
        closeSessions()
        closingHasEnded()
      }
      if !isPosted { closingHasEnded() }
    }
    let isDone = lock.withLock {
      while closingCount > 0 {
        guard closingEnded.wait(lock, until: deadline) else { return closingCount == 0 && !hasSilentPeer }
      }
      return !hasSilentPeer
    }
    shutDown()
    return isDone
  }

  /// Drops everything. When it returns, no callback runs any more, unless it was called from one.
  func shutDown() {
    guard !fork.isForkedChild else { return }
    lock.withLock { isClosed = true }
    // The loop runs what was posted before it stops; called from a callback, after that callback.
    loop.post { [self] in dropAll() }
    thread.stopAndJoin()
  }

  func log(_ level: LogLevel, _ line: @autoclosure () -> String) {
    guard let log = options.log, level <= options.logLevel else { return }
    log(level, secrets.redact(line()))
  }

  /// Without credentials, as everything that reaches the caller.
  func presentable(_ error: ResponsesError) -> ResponsesError { secrets.redact(error) }

  func presentable(_ failure: NetworkFailure) -> ResponsesError {
    var error = ResponsesError(failure)
    if error.status == .messageTooLarge {
      error.message += " It is \(options.messageBytesMax) bytes (message_bytes_max)."
    }
    return secrets.redact(error)
  }

  // MARK: On the loop

  /// False if the client was closed meanwhile.
  func add(_ socket: WebSocketDriver) -> Bool {
    guard !hasClosedSessions else { return false }
    sockets[ObjectIdentifier(socket)] = socket
    return true
  }

  func remove(_ socket: WebSocketDriver) { sockets[ObjectIdentifier(socket)] = nil }

  /// Sees a channel through its closing handshake after its session has let go of it.
  func bury(_ channel: WebSocketChannel) {
    lock.withLock { closingCount += 1 }
    closing[ObjectIdentifier(channel)] = channel
    channel.delegate = self
    channel.close(code: 1000, timeoutNanoseconds: closingTimeout)
  }

  private func closeSessions() {
    hasClosedSessions = true
    endErrands(of: nil)
    for lookup in lookups.values { lookup.cancel() }
    lookups = [:]
    endKeyRequests()
    drive { $0.closeAll(now: $1) }
    idleConnections.close()
    timer.map { loop.cancel($0.id) }
    timer = nil
    for socket in sockets.values { socket.closeWithClient() }
    sockets = [:]
  }

  private func dropAll() {
    closeSessions()
    for channel in closing.values {
      channel.abort()
      closingHasEnded()
    }
    closing = [:]
  }

  private func closingHasEnded() {
    lock.withLock {
      closingCount -= 1
      if closingCount == 0 { closingEnded.broadcast() }
    }
  }
}

/// Of buried channels only the end matters.
extension ClientCore: WebSocketChannelDelegate {
  func channelOpened(_ channel: WebSocketChannel, _ info: HandshakeInfo) {}
  func channel(_ channel: WebSocketChannel, receivedText text: UnsafeRawBufferPointer) {}
  func channel(_ channel: WebSocketChannel, receivedBinary bytes: UnsafeRawBufferPointer) {}
  func channelFinishedRead(_ channel: WebSocketChannel) {}
  func channel(_ channel: WebSocketChannel, flushed tag: UInt64) {}
  func channelClosed(_ channel: WebSocketChannel, _ failure: NetworkFailure) {
    guard closing.removeValue(forKey: ObjectIdentifier(channel)) != nil else { return }
    if failure.kind == .closingTimedOut {
      // A silence from before the client's own end is nobody's question.
      lock.withLock { if isClosed { hasSilentPeer = true } }
    }
    closingHasEnded()
  }
}
