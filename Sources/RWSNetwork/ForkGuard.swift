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

/// What this library keeps once per process: the number of forks that led to it, the lock of its registries, and
/// one for what OpenSSL does under locks of its own.
///
/// The locks are held across `fork` by the handlers below, so a child finds what they guard whole and the locks
/// free. Nothing is called out to while the first is held. `forks` changes only in a child that has one thread yet:
/// reading it without the lock is no race.
struct ProcessState {
  var mutex = pthread_mutex_t()
  /// Recursive. Taken before `mutex`, if both are.
  var openSSL = pthread_mutex_t()
  var forks = 0

  nonisolated(unsafe) static let shared: UnsafeMutablePointer<ProcessState> = {
    let state = UnsafeMutablePointer<ProcessState>.allocate(capacity: 1)
    state.initialize(to: ProcessState())
    state.pointee.initialiseLocks()
    return state
  }()

  private mutating func initialiseLocks() {
    pthread_mutex_init(&mutex, nil)
    var recursive = pthread_mutexattr_t()
    pthread_mutexattr_init(&recursive)
    pthread_mutexattr_settype(&recursive, Int32(PTHREAD_MUTEX_RECURSIVE))
    pthread_mutex_init(&openSSL, &recursive)
    pthread_mutexattr_destroy(&recursive)
  }

  /// Registered apart from `shared`: a handler that ran inside the initialiser of what it uses would wait for
  /// itself.
  private static let forkHandlers: Void = {
    _ = shared
    pthread_atfork(
      {
        pthread_mutex_lock(&ProcessState.shared.pointee.openSSL)
        pthread_mutex_lock(&ProcessState.shared.pointee.mutex)
      },
      {
        pthread_mutex_unlock(&ProcessState.shared.pointee.mutex)
        pthread_mutex_unlock(&ProcessState.shared.pointee.openSSL)
      },
      {
        ProcessState.shared.pointee.forks &+= 1
        ProcessState.shared.pointee.initialiseLocks()
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
