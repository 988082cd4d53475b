import RWSNetwork
import RWSWebSocket

/// What the ends of a raw connection share: the I/O thread delivers and reports, any thread sends, one
/// reader takes. `WebSocketDriver` is its other half, on the loop.
///
///   connecting ──▶ open ──close()──▶ closing ──▶ ended        (from any of them, at once, when it fails)
///
/// Everything mutable is under the lock, which is why it is `@unchecked Sendable`.
package final class WebSocketCore: @unchecked Sendable {
  /// What a caller may wait for. Each of them has come to pass when the connection has ended.
  package enum Awaited {
    /// The connection is open, or will never be.
    case outcome
    case message
    /// All that was sent is with the kernel.
    case flushed
    case end
  }

  enum Received {
    case message(WebSocket.Message)
    /// Error or good end; all messages were read.
    case ended(ResponsesError?)
    case nothingYet
    /// Another thread is waiting here already, or the messages go to a callback.
    case isBusy
  }

  struct Ending {
    /// nil: both sides closed in good order, or the caller did.
    var error: ResponsesError?
    var close = WebSocket.Close(code: CloseCode.abnormal.rawValue, reason: "")
    /// The peer never answered the caller's Close frame.
    var isUnanswered = false
  }

  private enum Phase {
    case connecting, open, closing
    case ended(Ending)
  }

  typealias Action = @Sendable () -> Void

  private let options: WebSocket.Options
  private let onMessage: (@Sendable (WebSocket.Message?) -> Void)?
  private let signal = ReadinessSignal()
  private let lock = Lock()
  private let changed = Condition()

  private var phase = Phase.connecting
  private var queue = MessageQueue()
  private var isPaused = false
  private var unsentBytes = 0
  private var handshakeSeen: WebSocket.Handshake?
  private var pings = PingRecord()
  private var waiters: [(waiter: WebSocketWaiter, awaited: Awaited)] = []
  private var isAwaited = false
  private var isSignalled = false
  private var isEndReported = false
  private var isAbandoned = false
  private var isCallbackRunning = false

  init(_ options: WebSocket.Options, onMessage: (@Sendable (WebSocket.Message?) -> Void)?) {
    self.options = options
    self.onMessage = onMessage
  }

  // MARK: The I/O thread

  func opened(_ handshake: WebSocket.Handshake) {
    let isStillWanted = change {
      handshakeSeen = handshake
      guard case .connecting = phase else { return false }
      phase = .open
      return true
    }
    guard isStillWanted, options.reportsOpening else { return }
    _ = deliver(WebSocket.Message(.opened, copying: UnsafeRawBufferPointer(start: nil, count: 0)))
  }

  /// False: the queue is full; stop reading.
  func deliver(_ message: WebSocket.Message) -> Bool {
    // After the caller's close nobody is obliged to read, and a bound must hold: RFC 6455 §1.4 lets what
    // comes then be discarded.
    let isWanted = lock.withLock { if case .open = phase { !isAbandoned } else { false } }
    guard isWanted else { return true }
    guard onMessage == nil else {
      callBack(message)
      return true
    }
    return change {
      queue.append(message)
      becomeReadable()
      if queue.weight > options.receiveQueueBytesMax { isPaused = true }
      return !isPaused
    }
  }

  /// The caller's pings are noted when they leave.
  func pinged(_ payload: [UInt8], at now: Int64) {
    lock.withLock { pings.sent(payload, at: now) }
  }

  func receivedPong(_ payload: UnsafeRawBufferPointer, at now: Int64) -> Bool {
    lock.withLock { pings.answered(payload, at: now) }
    return options.reportsPongs ? deliver(WebSocket.Message(.pong, copying: payload)) : true
  }

  func sent(_ bytes: Int) {
    change { unsentBytes -= bytes }
  }

  func end(_ ending: Ending, handshake: WebSocket.Handshake? = nil) {
    let isFirst = change {
      if case .ended = phase { return false }
      phase = .ended(ending)
      if let handshake { handshakeSeen = handshake }
      becomeReadable()
      return true
    }
    if isFirst { callBack(nil) }
  }

  /// `abandon` waits for a callback that runs: afterwards the caller may free what it uses.
  private func callBack(_ message: WebSocket.Message?) {
    guard let onMessage else { return }
    let isWanted = lock.withLock {
      isCallbackRunning = !isAbandoned
      return isCallbackRunning
    }
    guard isWanted else { return }
    onMessage(message)
    lock.withLock {
      isCallbackRunning = false
      changed.broadcast()
    }
  }

  private func becomeReadable() {
    guard !isSignalled, onMessage == nil, !isAbandoned else { return }
    isSignalled = true
    signal.becameReady()
  }

  private func unsignal() {
    guard isSignalled else { return }
    isSignalled = false
    signal.wasDrained()
  }

  /// Changes the state, and wakes whoever waited for what came to pass by it.
  @discardableResult
  private func change<Result>(_ body: () -> Result) -> Result {
    var woken: [Action] = []
    let result = lock.withLock {
      let result = body()
      changed.broadcast()
      guard !waiters.isEmpty else { return result }
      woken = waiters.filter { holds($0.awaited) }.compactMap { $0.waiter.takeAction() }
      waiters.removeAll { holds($0.awaited) }
      return result
    }
    for action in woken { action() }
    return result
  }

  // MARK: Any thread

  /// Room for a message in the send queue.
  func admit(_ bytes: Int) throws(ResponsesError) {
    try lock.withLock { () throws(ResponsesError) in
      switch phase {
      case .connecting, .open: break
      case .closing: throw ResponsesError(.closed, "The connection is being closed.")
      case .ended(let ending):
        throw ending.error ?? ResponsesError(.closed, "The connection has ended.")
      }
      guard bytes <= options.sendQueueBytesMax - unsentBytes else {
        throw ResponsesError(
          .limit,
          "\(unsentBytes) bytes wait to be sent; with \(bytes) more they would exceed "
            + "\(options.sendQueueBytesMax) (send_queue_bytes_max). Flush, or send less.")
      }
      unsentBytes += bytes
    }
  }

  /// - Parameter deadline: nanoseconds of the monotonic clock; nil: no limit; 0: do not wait.
  /// - Parameter hasRoomAgain: called when reading has made room in a queue that was full.
  func receive(until deadline: Int64?, hasRoomAgain: () -> Void) -> Received {
    var makesRoom = false
    let received = lock.withLock { () -> Received in
      guard onMessage == nil, !isAwaited else { return .isBusy }
      isAwaited = true
      defer { isAwaited = false }
      guard waitLocked(.message, until: deadline) else { return .nothingYet }
      if let message = queue.takeFirst() {
        if isPaused, queue.weight <= options.receiveQueueBytesMax / 4 {
          isPaused = false
          makesRoom = true
        }
        if queue.isEmpty, !holds(.end) { unsignal() }
        return .message(message)
      }
      guard case .ended(let ending) = phase else { return .nothingYet }
      if !isEndReported {
        isEndReported = true
        unsignal()
      }
      return .ended(ending.error)
    }
    if makesRoom { hasRoomAgain() }
    return received
  }

  /// False if the deadline passed before.
  func wait(_ awaited: Awaited, until deadline: Int64?) -> Bool {
    lock.withLock { waitLocked(awaited, until: deadline) }
  }

  private func waitLocked(_ awaited: Awaited, until deadline: Int64?) -> Bool {
    while !holds(awaited) {
      guard deadline != 0, changed.wait(lock, until: deadline) else { return holds(awaited) }
    }
    return true
  }

  private func holds(_ awaited: Awaited) -> Bool {
    if case .ended = phase { return true }
    switch awaited {
    case .outcome: if case .connecting = phase { return false } else { return true }
    case .message: return !queue.isEmpty
    case .flushed: return unsentBytes == 0
    case .end: return false
    }
  }

  /// Calls the waiter's action once: as soon as what it awaits has come to pass, or when it is cancelled.
  package func when(_ awaited: Awaited, _ waiter: WebSocketWaiter) {
    let action = lock.withLock { () -> Action? in
      guard !waiter.isCancelled, !holds(awaited) else { return waiter.takeAction() }
      waiters.append((waiter, awaited))
      return nil
    }
    action?()
  }

  package func cancel(_ waiter: WebSocketWaiter) {
    let action = lock.withLock {
      waiter.isCancelled = true
      waiters.removeAll { $0.waiter === waiter }
      return waiter.takeAction()
    }
    action?()
  }

  /// The caller's wish to close; false if it is no news.
  func beginClosing() -> Bool {
    change {
      switch phase {
      case .connecting, .open:
        phase = .closing
        return true
      case .closing, .ended: return false
      }
    }
  }

  /// The handle is gone: nothing will be read any more.
  func abandon(waitingForCallback: Bool) {
    lock.withLock {
      isAbandoned = true
      queue = MessageQueue()
      unsignal()
      while waitingForCallback, isCallbackRunning { _ = changed.wait(lock, until: nil) }
    }
  }

  // MARK: What is known

  var ending: Ending? {
    lock.withLock { if case .ended(let ending) = phase { ending } else { nil } }
  }

  var state: WebSocket.State {
    lock.withLock {
      switch phase {
      case .connecting: .connecting
      case .open: .open
      case .closing: .closing
      case .ended: .ended
      }
    }
  }

  /// Why not everything that was sent has left; nil if it has.
  package var unflushedError: ResponsesError? {
    lock.withLock {
      guard unsentBytes > 0, case .ended(let ending) = phase else { return nil }
      return ending.error
        ?? ResponsesError(.closed, "The connection ended before everything was sent.")
    }
  }

  var handshake: WebSocket.Handshake? { lock.withLock { handshakeSeen } }
  var roundTrip: Int64? { lock.withLock { pings.roundTrip } }
  var queuedForSending: Int { lock.withLock { unsentBytes } }

  func descriptor() throws(ResponsesError) -> Int32 { try signal.open() }
}

/// Somebody who waits without a thread; guarded by the lock of the core it waits at.
package final class WebSocketWaiter: @unchecked Sendable {
  package init() {}

  fileprivate var isCancelled = false
  private var action: (@Sendable () -> Void)?

  /// Before it is given to a core.
  package func setAction(_ action: @escaping @Sendable () -> Void) { self.action = action }

  fileprivate func takeAction() -> (@Sendable () -> Void)? {
    defer { action = nil }
    return action
  }
}

/// The caller's pings that were not answered yet.
private struct PingRecord {
  private static let unansweredMax = 16

  private var unanswered: [(payload: [UInt8], sent: Int64)] = []
  private(set) var roundTrip: Int64?

  mutating func sent(_ payload: [UInt8], at now: Int64) {
    if unanswered.count == Self.unansweredMax { unanswered.removeFirst() }
    unanswered.append((payload, now))
  }

  /// RFC 6455 §5.5.3: a pong answers one ping, and all before it need no answer any more.
  mutating func answered(_ payload: UnsafeRawBufferPointer, at now: Int64) {
    guard let index = unanswered.lastIndex(where: { $0.payload.elementsEqual(payload) }) else { return }
    roundTrip = now - unanswered[index].sent
    unanswered.removeFirst(index + 1)
  }
}
