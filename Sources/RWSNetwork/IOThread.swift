import Glibc

/// A pthread that drives an `EventLoop`, with every signal blocked so that the host's handlers run on the
/// host's threads.
package final class IOThread: @unchecked Sendable {
  package let loop: EventLoop

  private enum State {
    case running
    /// Somebody waits in `pthread_join`; others wait for them.
    case joining
    case joined
    /// Stopped from itself; ends after the current callback.
    case detached
  }

  private let lock = Lock()
  private let changed = Condition()
  private let forkGuard = ForkGuard()
  // Guarded by `lock`:
  private var thread = pthread_t()
  private var state = State.running
  private var hasReturned = false

  /// Starts the thread. `name` is cut to 15 bytes (the kernel's limit).
  package init(loop: EventLoop, name: String) throws(NetworkFailure) {
    self.loop = loop
    ExitHandler.install()
    ExitHandler.add(self)
    let started: Int32 = lock.withLock {
      Thread.start(&thread, name: name) { [self] in
        OpenSSLLibrary.enterThread()
        loop.run()
        OpenSSLLibrary.leaveThread()
        finish()
      }
    }
    guard started == 0 else {
      ExitHandler.remove(self)
      throw .resources("An I/O thread could not be started", started)
    }
  }

  /// True on the thread itself. (Once it is over, another thread may get its identity.)
  package var isCurrent: Bool {
    lock.withLock { !hasReturned && pthread_equal(pthread_self(), thread) != 0 }
  }

  /// Stops the loop and waits for the thread. Called on the thread itself (from a callback) it returns at
  /// once: the thread is detached and ends after the current callback. In a forked child it does nothing.
  /// Idempotent.
  package func stopAndJoin() {
    guard !forkGuard.isForkedChild else { return }
    loop.stop()
    let isCurrent = self.isCurrent
    let mustJoin = lock.withLock { () -> Bool in
      switch state {
      case .running:
        state = isCurrent ? .detached : .joining
        if isCurrent { pthread_detach(thread) }
        return !isCurrent
      case .joining:
        while !isCurrent, case .joining = state { _ = changed.wait(lock, until: nil) }
        return false
      case .joined, .detached:
        return false
      }
    }
    guard mustJoin else { return }
    pthread_join(lock.withLock { thread }, nil)
    lock.withLock { state = .joined }
    changed.broadcast()
  }

  /// For the exit handler: waits until the loop has returned. False if `deadline` came first.
  func waitUntilReturned(deadline: Int64) -> Bool {
    lock.withLock {
      while !hasReturned {
        guard changed.wait(lock, until: deadline) else { return hasReturned }
      }
      return true
    }
  }

  private func finish() {
    ExitHandler.remove(self)
    lock.withLock { hasReturned = true }
    changed.broadcast()
  }
}
