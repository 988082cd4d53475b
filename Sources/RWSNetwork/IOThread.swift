import Glibc

/// A pthread that drives an `EventLoop`, with every signal blocked so that the host's handlers stay on the host's threads.
package final class IOThread: @unchecked Sendable {
  package let loop: EventLoop

  /// Starts the thread. `name` is cut to 15 bytes (the kernel's limit).
  package init(loop: EventLoop, name: String) throws(NetworkFailure) { self.loop = loop }

  /// True on the thread itself.
  package var isCurrent: Bool { false }

  /// Stops the loop and waits for the thread. Called on the thread itself (from a callback) it returns at once: the
  /// thread is detached and ends after the current callback. In a forked child it does nothing. Idempotent.
  package func stopAndJoin() {}
}
