import Glibc

/// Stops the I/O threads when the host exits with live clients.
///
/// `exit` runs handlers and destructors while other threads go on; an I/O thread in the middle of TLS would
/// then use what is being torn down. The handler is registered after OpenSSL's initialisation, hence runs
/// before anything that OpenSSL registered, asks every loop to stop, and waits a bounded time.
enum ExitHandler {
  private static let patience: Int64 = 2_000_000_000

  private static let installed: Void = {
    OpenSSLLibrary.initialise()
    _ = threads
    atexit { ExitHandler.stopAll() }
  }()

  static func install() { _ = installed }

  // Guarded by ProcessState's lock.
  nonisolated(unsafe) private static let threads:
    UnsafeMutablePointer<[ObjectIdentifier: IOThread]> = {
      let list = UnsafeMutablePointer<[ObjectIdentifier: IOThread]>.allocate(capacity: 1)
      list.initialize(to: [:])
      return list
    }()

  static func add(_ thread: IOThread) {
    ProcessState.withLock { threads.pointee[ObjectIdentifier(thread)] = thread }
  }

  static func remove(_ thread: IOThread) {
    _ = ProcessState.withLock { threads.pointee.removeValue(forKey: ObjectIdentifier(thread)) }
  }

  private static func stopAll() {
    let running = ProcessState.withLock { Array(threads.pointee.values) }
    // A forked child's copies of the parent's threads do not run here; stopping them has no effect.
    for thread in running { thread.loop.stop() }
    let deadline = MonotonicClock.deadline(after: patience)
    // `exit` may have been called from a callback: a thread cannot wait for itself.
    for thread in running where !thread.loop.isForkedChild && !thread.isCurrent {
      // Joined only once it is as good as over: a callback that blocks must not hold the exit up.
      if thread.waitUntilReturned(deadline: deadline) { thread.stopAndJoin() }
    }
  }
}
