import RWSNetwork

/// The two ends of a turn: the I/O thread delivers, one reader takes. Everything mutable is under the
/// lock, which is why it is `@unchecked Sendable`; it is taken once per batch to deliver, once per
/// event or batch to read.
final class TurnCore: @unchecked Sendable {
  enum Fullness { case hasRoom, isFull, isOverfull }

  enum Portion { case event, batch }

  enum Next {
    /// Those events of the batch.
    case events(EventBatch, Range<Int>)
    case ended(ResponsesError?)
    case nothingYet
    /// Another thread is waiting here already, or the events go to a callback.
    case isBusy
  }

  /// Unread events beyond this many bytes stop the reading from the socket if nothing else comes over it …
  static let queueBytesMax = 8 << 20
  /// … else the turn goes on until it is given up for its unread events …
  static let queueBytesLimit = 64 << 20
  /// … until the reader is down to this.
  static let queueBytesResume = 2 << 20

  let id: TurnID
  private let lock = Lock()
  private let arrived = Condition()
  private let signal: ReadinessSignal
  private let onEvent: (@Sendable (Event?) -> Void)?
  private let onEnd: @Sendable () -> Void

  private var batches: [EventBatch] = []
  private var nextBatch = 0
  private var nextRecord = 0
  private var queuedBytes = 0
  private var isFull = false
  private var isDiscarding = false
  private var isAwaited = false
  private var isSignalled = false
  private var isEndReported = false
  private var isAbandoned = false
  private var isCancelled = false
  private var isCallbackRunning = false
  private var assembly = TurnAssembly()
  private var stats = TurnStats()
  private var end: TurnEnd?
  private var onArrival: [@Sendable () -> Void] = []

  init(
    id: TurnID, signal: ReadinessSignal, onEvent: (@Sendable (Event?) -> Void)?,
    onEnd: @escaping @Sendable () -> Void
  ) {
    self.id = id
    self.signal = signal
    self.onEvent = onEvent
    self.onEnd = onEnd
  }

  // MARK: The I/O thread

  func deliver(_ batch: EventBatch, _ stats: TurnStats) -> Fullness {
    let (fullness, wake) = lock.withLock { () -> (Fullness, [@Sendable () -> Void]) in
      assembly.apply(batch)
      self.stats = stats
      guard onEvent == nil, !isDiscarding else { return (.hasRoom, []) }
      batches.append(batch)
      queuedBytes += batch.jsonBytes
      if queuedBytes > Self.queueBytesMax { isFull = true }
      let fullness: Fullness =
        queuedBytes > Self.queueBytesLimit ? .isOverfull : isFull ? .isFull : .hasRoom
      return (fullness, noteArrival())
    }
    for action in wake { action() }
    for index in onEvent == nil ? 0..<0 : batch.records.indices {
      callBack(Event(batch: batch, index: index))
    }
    return fullness
  }

  func end(_ end: TurnEnd) {
    onEnd()
    let wake = lock.withLock {
      self.end = end
      stats = end.stats
      return noteArrival()
    }
    for action in wake { action() }
    callBack(nil)
  }

  /// The turn never began: nothing of it is told but by who started it.
  func refuse() { onEnd() }

  /// `abandon` waits for a callback that runs: afterwards the caller may free what it uses.
  private func callBack(_ event: Event?) {
    guard let onEvent else { return }
    let isWanted = lock.withLock {
      isCallbackRunning = !isAbandoned && !(isCancelled && event != nil)
      return isCallbackRunning
    }
    guard isWanted else { return }
    onEvent(event)
    lock.withLock {
      isCallbackRunning = false
      arrived.broadcast()
    }
  }

  /// Under the lock. Returns what must be called outside it.
  private func noteArrival() -> [@Sendable () -> Void] {
    if !isSignalled, onEvent == nil, !isAbandoned {
      isSignalled = true
      signal.becameReady()
    }
    arrived.broadcast()
    defer { onArrival = [] }
    return onArrival
  }

  // MARK: The reader

  /// - Parameter deadline: nanoseconds of the monotonic clock; nil: no limit; 0: do not wait.
  /// - Parameter hasRoomAgain: called when reading has made room in a queue that was full.
  func next(_ portion: Portion, until deadline: Int64?, hasRoomAgain: () -> Void) -> Next {
    var makesRoom = false
    let next = lock.withLock { () -> Next in
      guard onEvent == nil, !isAwaited else { return .isBusy }
      while true {
        if let (batch, range) = take(portion) {
          if isFull, queuedBytes <= Self.queueBytesResume {
            isFull = false
            makesRoom = true
          }
          return .events(batch, range)
        }
        if let end {
          reportEnd()
          return .ended(end.error)
        }
        unsignal()
        if deadline == 0 { return .nothingYet }
        isAwaited = true
        let isInTime = arrived.wait(lock, until: deadline)
        isAwaited = false
        if !isInTime, nextBatch >= batches.count, end == nil { return .nothingYet }
      }
    }
    if makesRoom { hasRoomAgain() }
    return next
  }

  /// Waits for the end; unread events are dropped, now and from now on.
  func waitForEnd(until deadline: Int64?, hasRoomAgain: () -> Void) -> Next {
    let wasFull = lock.withLock {
      discard()
      if end == nil { unsignal() }
      defer { isFull = false }
      return isFull
    }
    if wasFull { hasRoomAgain() }
    return lock.withLock {
      while true {
        if let end {
          reportEnd()
          return .ended(end.error)
        }
        if deadline == 0 { return .nothingYet }
        if !arrived.wait(lock, until: deadline), end == nil { return .nothingYet }
      }
    }
  }

  /// Calls `action` once, as soon as there is something to read: at once if there is already.
  func whenReadable(_ action: @escaping @Sendable () -> Void) {
    let isReadable = lock.withLock {
      if nextBatch < batches.count || end != nil { return true }
      onArrival.append(action)
      return false
    }
    if isReadable { action() }
  }

  /// The caller cancels: what it has not read yet, or not been called for, it will not get.
  func dropEvents() {
    lock.withLock {
      guard end == nil else { return }
      isCancelled = true
      discard()
      unsignal()
    }
  }

  private func discard() {
    isDiscarding = true
    batches = []
    nextBatch = 0
    nextRecord = 0
    queuedBytes = 0
  }

  private func take(_ portion: Portion) -> (EventBatch, Range<Int>)? {
    guard nextBatch < batches.count else { return nil }
    let batch = batches[nextBatch]
    let first = nextRecord
    switch portion {
    case .event: nextRecord += 1
    case .batch: nextRecord = batch.records.count
    }
    let range = first..<nextRecord
    queuedBytes -= batch.jsonBytes(range)
    guard nextRecord >= batch.records.count else { return (batch, range) }
    nextRecord = 0
    nextBatch += 1
    if nextBatch == batches.count {
      batches.removeAll(keepingCapacity: true)
      nextBatch = 0
      // Whoever takes a batch has not read its events yet: the descriptor stays readable until the
      // next call finds nothing.
      if end == nil, case .event = portion { unsignal() }
    }
    return (batch, range)
  }

  private func reportEnd() {
    guard !isEndReported else { return }
    isEndReported = true
    unsignal()
  }

  private func unsignal() {
    guard isSignalled else { return }
    isSignalled = false
    signal.wasDrained()
  }

  /// The handle is gone: nothing will be read any more.
  func abandon(waitingForCallback: Bool) {
    lock.withLock {
      isAbandoned = true
      discard()
      unsignal()
      while waitingForCallback, isCallbackRunning { _ = arrived.wait(lock, until: nil) }
    }
  }

  // MARK: What it has brought

  var hasEnded: Bool { lock.withLock { end != nil } }
  var hasCallback: Bool { onEvent != nil }

  func withAssembly<Result>(_ body: (TurnAssembly, TurnEnd?) -> Result) -> Result {
    let (copy, end) = lock.withLock { (assembly, self.end) }
    return body(copy, end)
  }

  var currentStats: TurnStats { lock.withLock { stats } }
}
