import Glibc

/// A mutual exclusion lock over `pthread_mutex_t`.
///
/// `Synchronization.Mutex` is a futex of its own that ThreadSanitizer on Linux does not know, so every
/// correct use of it is reported as a race; pthread locks are understood.
///
/// `withLock` is inlined into other modules: called, each use passes its result through memory that is
/// described at run time.
@usableFromInline
package final class Lock: @unchecked Sendable {
  @usableFromInline let mutex: UnsafeMutablePointer<pthread_mutex_t>

  package init() {
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  @inlinable @inline(__always)
  package func withLock<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body()
  }
}

/// A condition variable on the monotonic clock, always used together with the same `Lock`.
package final class Condition: @unchecked Sendable {
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  package init() {
    condition = .allocate(capacity: 1)
    condition.initialize(to: pthread_cond_t())
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    condition.deallocate()
  }

  /// Waits until signalled or until `deadline` (nanoseconds, `MonotonicClock`; nil: no limit).
  ///
  /// Call it inside `lock.withLock`, in a loop that checks what is waited for: wake-ups may be spurious.
  /// Returns false if the deadline has passed.
  package func wait(_ lock: Lock, until deadline: Int64?) -> Bool {
    guard let deadline else {
      pthread_cond_wait(condition, lock.mutex)
      return true
    }
    var limit = MonotonicClock.timespec(deadline)
    return pthread_cond_timedwait(condition, lock.mutex, &limit) != ETIMEDOUT
  }

  package func signal() {
    pthread_cond_signal(condition)
  }

  package func broadcast() {
    pthread_cond_broadcast(condition)
  }
}
