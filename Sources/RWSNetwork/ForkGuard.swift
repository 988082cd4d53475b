import Glibc

/// Tells whether this process is a forked child of the one in which the guard was made.
///
/// A child shares the parent's sockets and epoll set but has none of its threads: it may close its copies of
/// the descriptors and do nothing else with them. Checking costs one load and one comparison.
package struct ForkGuard: Sendable {
  private let generation: Int

  package init() {
    ProcessState.prepare()
    generation = ProcessState.shared.pointee.forks
  }

  @inline(__always)
  package var isForkedChild: Bool {
    ProcessState.shared.pointee.forks != generation
  }

  /// Runs `body` under the process-wide lock that is free and consistent in a forked child: for tables of the
  /// layers above. `body` must be short and call nothing that waits or takes this lock.
  package static func withProcessLock<Result>(_ body: () -> Result) -> Result {
    ProcessState.withLock(body)
  }
}

/// What this library keeps once per process: the number of forks that led to it, and the lock of its
/// registries.
///
/// The lock is held across `fork` by the handlers below, so a child finds the registries whole and the lock
/// free. Nothing is called out to while it is held. `forks` changes only in a child that has one thread yet:
/// reading it without the lock is no race.
struct ProcessState {
  var mutex = pthread_mutex_t()
  var forks = 0

  nonisolated(unsafe) static let shared: UnsafeMutablePointer<ProcessState> = {
    let state = UnsafeMutablePointer<ProcessState>.allocate(capacity: 1)
    state.initialize(to: ProcessState())
    pthread_mutex_init(&state.pointee.mutex, nil)
    return state
  }()

  /// Registered apart from `shared`: a handler that ran inside the initialiser of what it uses would wait for
  /// itself.
  private static let forkHandlers: Void = {
    _ = shared
    pthread_atfork(
      { _ = pthread_mutex_lock(&ProcessState.shared.pointee.mutex) },
      { _ = pthread_mutex_unlock(&ProcessState.shared.pointee.mutex) },
      {
        ProcessState.shared.pointee.forks &+= 1
        pthread_mutex_init(&ProcessState.shared.pointee.mutex, nil)
      })
  }()

  /// Installs the handlers, once.
  static func prepare() { _ = forkHandlers }

  static func withLock<Result>(_ body: () -> Result) -> Result {
    prepare()
    pthread_mutex_lock(&shared.pointee.mutex)
    defer { pthread_mutex_unlock(&shared.pointee.mutex) }
    return body()
  }
}
