import Glibc

/// What an `EventLoop` calls when a descriptor is ready.
package protocol DescriptorHandler: AnyObject {
  /// `events` are EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP as epoll reported them.
  func ready(_ events: UInt32)
}

/// Names a timer for `cancel`; never reused.
package struct TimerID: Hashable, Sendable {
  let value: UInt64
}

/// epoll, timers, and jobs posted from other threads.
///
/// Rule: exactly one thread drives a loop at a time (`run` or `runOnce`); everything but `post`, `stop` and the fork
/// check is called only by the driving thread, or before anybody drives. State is bound to no thread's identity, so
/// another thread may drive later if the change is ordered by a lock. That rule is why this is `@unchecked Sendable`.
package final class EventLoop: @unchecked Sendable {
  package init() throws(NetworkFailure) {}

  /// Drives the loop until `stop()`.
  package func run() {}

  /// Waits at most `maxWait` nanoseconds for the first event, handles what is ready, and returns.
  /// Returns false once `stop()` was called.
  @discardableResult
  package func runOnce(maxWait: Int64) -> Bool { false }

  /// Makes `run()` return after the current iteration. Any thread.
  package func stop() {}

  /// Runs `job` on the driving thread, in order of posting. Any thread; from the driving thread too (it runs in the
  /// next iteration). Jobs still queued when the loop is freed are dropped without being run.
  package func post(_ job: @escaping @Sendable () -> Void) {}

  /// The time of this iteration, nanoseconds of CLOCK_MONOTONIC.
  package var now: Int64 { 0 }

  /// Reads the clock again; after long work in a callback.
  @discardableResult
  package func refreshNow() -> Int64 { 0 }

  /// Runs `action` once when `deadline` (nanoseconds, CLOCK_MONOTONIC) has come.
  @discardableResult
  package func schedule(at deadline: Int64, _ action: @escaping () -> Void) -> TimerID {
    TimerID(value: 0)
  }

  /// Cancelling a timer that has fired, or was cancelled, has no effect.
  package func cancel(_ timer: TimerID) {}
}
