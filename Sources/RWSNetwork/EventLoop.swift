import CLinux
import Glibc

/// What an `EventLoop` calls when a descriptor is ready.
package protocol DescriptorHandler: AnyObject {
  /// `events` are EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP as epoll reported them.
  func ready(_ events: UInt32)
}

/// A descriptor's place in a loop. The generation makes events of a former owner of the place recognisable.
package struct Registration: Sendable, Equatable {
  fileprivate let slot: UInt32
  fileprivate let generation: UInt32

  fileprivate var word: UInt64 { UInt64(generation) << 32 | UInt64(slot) }
}

/// epoll, timers, and jobs posted from other threads.
///
/// Rule: exactly one thread drives a loop at a time (`run` or `runOnce`); everything but `post`, `stop` and
/// `isForkedChild` is called only by the driving thread, or before anybody drives. State is bound to no
/// thread's identity, so another thread may drive later if the change is ordered by a lock. That rule is why
/// this is `@unchecked Sendable`.
///
/// Handlers and timers keep their owners alive. Whoever ends a loop first aborts what is on it.
package final class EventLoop: @unchecked Sendable {
  private struct Slot {
    var handler: (any DescriptorHandler)?
    var descriptor: Int32
    var generation: UInt32
  }

  private let epoll: Int32
  private let wakeUp: Int32
  private let forkGuard = ForkGuard()

  private var slots: [Slot] = []
  private var freeSlots: [UInt32] = []
  private var timers = TimerQueue()
  private let events: UnsafeMutableBufferPointer<epoll_event>

  /// The time of this iteration, nanoseconds of CLOCK_MONOTONIC.
  package private(set) var now = MonotonicClock.now()

  /// How long waits have lasted beyond the timer that should have ended them, counting only what no scheduler
  /// does: the process was stopped, or its machine was. A callback that took long is none of it.
  private(set) var starved: Int64 = 0
  private static let starvationMin: Int64 = 10_000_000_000

  /// For tests, which have no machine to put to sleep.
  var readClocks: (_ starved: Int64) -> ClockReading = { .now(starved: $0) }
  var clocks: ClockReading { readClocks(starved) }

  private let lock = Lock()
  // Guarded by `lock`:
  private var jobs: [@Sendable () -> Void] = []
  private var stopRequested = false
  /// The last batch of jobs was taken: no later one will run.
  private var hasEnded = false
  /// The driving thread waits, or is about to, and nobody has written to `wakeUp` yet.
  private var needsWakeUp = false

  private static let wakeUpWord = UInt64.max
  private static let eventsPerWait = 64

  package init() throws(NetworkFailure) {
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard epoll >= 0 else { throw .resources("An epoll set could not be made", errno) }
    wakeUp = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
    guard wakeUp >= 0 else {
      let code = errno
      Glibc.close(epoll)
      throw .resources("An event descriptor could not be made", code)
    }
    events = .allocate(capacity: Self.eventsPerWait)
    var event = epoll_event()
    event.events = EPOLLIN.rawValue
    event.data.u64 = Self.wakeUpWord
    guard epoll_ctl(epoll, EPOLL_CTL_ADD, wakeUp, &event) == 0 else {
      throw .resources("The event descriptor could not be watched", errno)
    }
  }

  deinit {
    Glibc.close(epoll)
    Glibc.close(wakeUp)
    events.deallocate()
  }

  // MARK: Driving

  /// Drives the loop until `stop()`. Jobs posted before `stop()` still run.
  package func run() {
    while runOnce(maxWait: .max) {}
  }

  /// Waits at most `maxWait` nanoseconds for something to do, does what is ready, and returns.
  /// Returns false once `stop()` was called.
  @discardableResult
  package func runOnce(maxWait: Int64) -> Bool {
    guard !forkGuard.isForkedChild else { return false }
    let mayWait = lock.withLock {
      needsWakeUp = jobs.isEmpty && !stopRequested
      return needsWakeUp
    }
    let (wait, timersDue) = mayWait ? plannedWait(maxWait) : (0, .max)
    let count = ForkGate.outside {
      epoll_wait(epoll, events.baseAddress, Int32(Self.eventsPerWait), wait)
    }
    now = MonotonicClock.now()
    if now > timersDue, now &- timersDue >= Self.starvationMin { starved &+= now &- timersDue }
    // A failed wait (EINTR) counts as one without events.
    for index in 0..<max(0, Int(count)) {
      dispatch(events[index])
    }
    runTimers()
    return runJobs()
  }

  /// Makes `run()` return after the current iteration. Any thread.
  package func stop() {
    enqueue(nil)
  }

  package var isForkedChild: Bool { forkGuard.isForkedChild }

  /// How long to wait, and by when the timers expect it to be over.
  private func plannedWait(_ maxWait: Int64) -> (milliseconds: Int32, timersDue: Int64) {
    var wait = max(0, maxWait)
    var timersDue = Int64.max
    if let deadline = timers.nextDeadline() {
      // Read afresh: the iteration before may have taken long.
      let start = MonotonicClock.now()
      wait = min(wait, max(0, deadline &- start))
      timersDue = max(deadline, start)
    }
    if wait == .max { return (-1, timersDue) }
    // Rounded up: an early return would spin until the timer is due.
    return (Int32(clamping: wait / 1_000_000 + (wait % 1_000_000 == 0 ? 0 : 1)), timersDue)
  }

  private func dispatch(_ event: epoll_event) {
    let word = event.data.u64
    guard word != Self.wakeUpWord else {
      var count: UInt64 = 0
      _ = Glibc.read(wakeUp, &count, 8)
      return
    }
    let index = Int(word & 0xffff_ffff)
    // A handler earlier in this batch may have removed this one, or put another in its place.
    guard index < slots.count, slots[index].generation == UInt32(word >> 32),
      let handler = slots[index].handler
    else { return }
    handler.ready(event.events)
  }

  private func runTimers() {
    let mark = timers.mark
    while let action = timers.takeDue(now: now, before: mark) { action() }
  }

  private func runJobs() -> Bool {
    let (batch, stopped) = lock.withLock {
      needsWakeUp = false
      let batch = jobs
      if !jobs.isEmpty { jobs = [] }
      hasEnded = stopRequested
      return (batch, stopRequested)
    }
    for job in batch { job() }
    if stopped { dropTimers() }
    return !stopped
  }

  /// None will fire any more, and what they keep alive keeps the loop alive.
  private func dropTimers() {
    var dropped = TimerQueue()
    swap(&dropped, &timers)
  }

  // MARK: Jobs

  /// Runs `job` on the driving thread, in order of posting. Any thread; from the driving thread too (it runs
  /// in the next iteration). Returns false, and drops the job, once the stopped loop has run its last jobs,
  /// and in a forked child, where the event descriptor is shared with the parent.
  @discardableResult
  package func post(_ job: @escaping @Sendable () -> Void) -> Bool {
    enqueue(job)
  }

  @discardableResult
  private func enqueue(_ job: (@Sendable () -> Void)?) -> Bool {
    guard !forkGuard.isForkedChild else { return false }
    let (mustWake, isTaken) = lock.withLock { () -> (Bool, Bool) in
      guard !hasEnded else { return (false, false) }
      if let job { jobs.append(job) } else { stopRequested = true }
      defer { needsWakeUp = false }
      return (needsWakeUp, true)
    }
    guard mustWake else { return isTaken }
    var one: UInt64 = 1
    while Glibc.write(wakeUp, &one, 8) < 0, errno == EINTR {}
    return isTaken
  }

  // MARK: Timers

  /// Reads the clock again; after long work in a callback.
  @discardableResult
  package func refreshNow() -> Int64 {
    now = MonotonicClock.now()
    return now
  }

  /// Runs `action` once when `deadline` (nanoseconds, CLOCK_MONOTONIC) has come: at the earliest in the next
  /// iteration, so a deadline of 0 means "soon, but not inside this call".
  @discardableResult
  package func schedule(at deadline: Int64, _ action: @escaping () -> Void) -> TimerID {
    timers.schedule(at: deadline, action)
  }

  /// Cancelling a timer that has fired, or was cancelled, has no effect.
  package func cancel(_ timer: TimerID) {
    timers.cancel(timer)
  }

  // MARK: Descriptors

  /// Watches `descriptor` level-triggered for `interest` (EPOLLIN, EPOLLOUT; errors are always reported).
  package func add(
    _ descriptor: Int32, interest: UInt32, handler: any DescriptorHandler
  ) throws(NetworkFailure) -> Registration {
    let index: UInt32
    if let free = freeSlots.popLast() {
      index = free
    } else {
      index = UInt32(truncatingIfNeeded: slots.count)
      slots.append(Slot(handler: nil, descriptor: -1, generation: 0))
    }
    let registration = Registration(slot: index, generation: slots[Int(index)].generation)
    guard control(EPOLL_CTL_ADD, descriptor, interest, registration) else {
      freeSlots.append(index)
      throw .resources("The socket could not be watched", errno)
    }
    slots[Int(index)].handler = handler
    slots[Int(index)].descriptor = descriptor
    return registration
  }

  package func modify(_ registration: Registration, interest: UInt32) {
    guard let slot = slot(of: registration) else { return }
    _ = control(EPOLL_CTL_MOD, slots[slot].descriptor, interest, registration)
  }

  /// Stops watching; call it before the descriptor is closed. (Closing alone would leave a socket in the set
  /// whose description a forked child still holds open.) Events already collected for it are not delivered.
  package func remove(_ registration: Registration) {
    guard let slot = slot(of: registration) else { return }
    _ = control(EPOLL_CTL_DEL, slots[slot].descriptor, 0, registration)
    slots[slot].handler = nil
    slots[slot].descriptor = -1
    slots[slot].generation &+= 1
    freeSlots.append(UInt32(truncatingIfNeeded: slot))
  }

  private func slot(of registration: Registration) -> Int? {
    let index = Int(registration.slot)
    guard index < slots.count, slots[index].generation == registration.generation,
      slots[index].handler != nil
    else { return nil }
    return index
  }

  private func control(
    _ operation: Int32, _ descriptor: Int32, _ interest: UInt32, _ registration: Registration
  ) -> Bool {
    // The set belongs to the parent: a child that removed its copies would blind the parent.
    guard !forkGuard.isForkedChild else { return false }
    var event = epoll_event()
    event.events = interest
    event.data.u64 = registration.word
    return epoll_ctl(epoll, operation, descriptor, &event) == 0
  }
}
