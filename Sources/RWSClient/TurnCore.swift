import RWSNetwork

/// The two ends of a turn: the I/O thread delivers, one reader takes. Everything mutable is under the
/// lock, which is why it is `@unchecked Sendable`; it is taken once per batch to deliver, once per
/// event or batch to read.
final class TurnCore: @unchecked Sendable {
  enum Next {
    /// Those events of the batch.
    case events(EventBatch, Range<Int>)
    case ended(ResponsesError?)
    case nothingYet
    /// Another thread is waiting here already, or the events go to a callback.
    case isBusy
  }

  let id: TurnID
  private let lock = Lock()
  private let arrived = Condition()
  private let signal: ReadinessSignal
  private let onEvent: (@Sendable (Event?) -> Void)?
  private let onEnd: @Sendable () -> Void

  private var queue = EventQueue()
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
  private var steers: [SteerCore] = []
  private var successor: TurnCore?
  private var isSuccessorTaken = false

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

  func deliver(_ batch: EventBatch, _ stats: TurnStats) -> EventQueue.Fullness {
    let (fullness, waiting) = lock.withLock { () -> (EventQueue.Fullness, [@Sendable () -> Void]?) in
      assembly.apply(batch)
      self.stats = stats
      guard onEvent == nil, !isDiscarding else { return (.hasRoom, nil) }
      queue.append(batch)
      return (queue.fullness, noteArrival())
    }
    if let waiting { wake(waiting) }
    callBack(batch)
    return fullness
  }

  func end(_ end: TurnEnd) {
    onEnd()
    let waiting = lock.withLock {
      self.end = end
      stats = end.stats
      return noteArrival()
    }
    wake(waiting)
    callBackForEnd()
  }

  /// The turn never began: nothing of it is told but by who started it.
  func refuse() { onEnd() }

  private func callBack(_ batch: EventBatch) {
    guard let onEvent else { return }
    for index in batch.records.indices {
      guard beginCallback(isEnd: false) else { break }
      onEvent(Event(batch: batch, index: index))
    }
    endCallbacks()
  }

  private func callBackForEnd() {
    guard let onEvent else { return }
    if beginCallback(isEnd: true) { onEvent(nil) }
    endCallbacks()
  }

  private func beginCallback(isEnd: Bool) -> Bool {
    lock.withLock {
      isCallbackRunning = !isAbandoned && (isEnd || !isCancelled)
      return isCallbackRunning
    }
  }

  /// `abandon` waits for a callback that runs: afterwards the caller may free what it uses.
  private func endCallbacks() {
    lock.withLock {
      isCallbackRunning = false
      arrived.broadcast()
    }
  }

  /// Under the lock. Returns what `wake` is to be called with outside it.
  private func noteArrival() -> [@Sendable () -> Void] {
    if !isSignalled, onEvent == nil, !isAbandoned {
      isSignalled = true
      signal.becameReady()
    }
    defer { onArrival = [] }
    return onArrival
  }

  /// Without the lock: a reader that is woken under it comes to wait for it at once.
  private func wake(_ waiting: [@Sendable () -> Void]) {
    arrived.broadcast()
    for action in waiting { action() }
  }

  // MARK: The reader

  /// - Parameter deadline: nanoseconds of the monotonic clock; nil: no limit; 0: do not wait.
  /// - Parameter hasRoomAgain: called when reading has made room in a queue that was full.
  func next(
    _ portion: EventQueue.Portion, until deadline: Int64?, hasRoomAgain: () -> Void
  ) -> Next {
    var makesRoom = false
    let next = lock.withLock { () -> Next in
      guard onEvent == nil, !isAwaited else { return .isBusy }
      while true {
        if let taken = queue.take(portion) {
          makesRoom = taken.makesRoom
          // Whoever takes a batch has not read its events yet: the descriptor stays readable until
          // the next call finds nothing.
          if portion == .event, queue.isEmpty, end == nil { unsignal() }
          return .events(taken.batch, taken.range)
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
        if !isInTime, queue.isEmpty, end == nil { return .nothingYet }
      }
    }
    if makesRoom { hasRoomAgain() }
    return next
  }

  /// Waits for the end; unread events are dropped, now and from now on.
  func waitForEnd(until deadline: Int64?, hasRoomAgain: () -> Void) -> Next {
    let wasFull = lock.withLock {
      isDiscarding = true
      if end == nil { unsignal() }
      return queue.drop()
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
      if !queue.isEmpty || end != nil { return true }
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
      isDiscarding = true
      _ = queue.drop()
      unsignal()
    }
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
  /// - Returns: A successor that nobody took: from now on its events are dropped.
  func abandon(waitingForCallback: Bool) -> TurnCore? {
    let untaken = lock.withLock {
      isAbandoned = true
      isDiscarding = true
      queue = EventQueue()
      unsignal()
      while waitingForCallback, isCallbackRunning { _ = arrived.wait(lock, until: nil) }
      return isSuccessorTaken ? nil : successor
    }
    untaken?.dropUnread()
    return untaken
  }

  // MARK: Steering

  func admit(_ steer: SteerCore) { lock.withLock { steers.append(steer) } }

  /// A steer's state has changed: who waits for a successor looks again.
  func noteSteered() { lock.withLock { arrived.broadcast() } }

  /// The turn that the server lets follow by itself. It is read, never called back, and keeps no slot of the session's.
  func makeSuccessor(_ id: TurnID) -> TurnCore {
    let made = TurnCore(id: id, signal: signal, onEvent: nil, onEnd: {})
    let isUnwanted = lock.withLock {
      successor = made
      arrived.broadcast()
      return isAbandoned
    }
    if isUnwanted { made.dropUnread() }
    return made
  }

  func waitForSuccessor(until deadline: Int64?) -> TurnCore? {
    lock.withLock {
      while successor == nil, mayHaveSuccessor {
        guard deadline != 0, arrived.wait(lock, until: deadline) else { break }
      }
      isSuccessorTaken = successor != nil
      return successor
    }
  }

  private func dropUnread() {
    lock.withLock {
      isDiscarding = true
      _ = queue.drop()
      unsignal()
    }
  }

  var isSuccessorOpen: Bool { lock.withLock { successor == nil && mayHaveSuccessor } }

  private var mayHaveSuccessor: Bool {
    steers.contains { steer in
      let state = steer.state
      return !state.isSettled && state != .pending
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
