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

  /// Installs the handlers of `fork` when the library is loaded: installed at first use, a child forked while
  /// another thread was at it would wait for that thread for ever.
  ///
  /// - Parameter rehearsal: Runs before the first fork, in the forking thread, where every thread still lives,
  ///   and does what a child does with its parent's objects. So what the runtime makes for it when it is first
  ///   needed is there, and no child waits for a thread that was making it.
  package static func install(rehearsal: @escaping @convention(c) () -> Void) {
    ProcessState.prepare()
    ProcessState.shared.pointee.rehearsal = rehearsal
  }
}

/// What this library keeps once per process: the number of forks that led to it, the lock of its registries,
/// one for what OpenSSL does under locks of its own, and the gate.
///
/// The locks are held across `fork` by the handlers below, so a child finds what they guard whole and the locks
/// free. Nothing is called out to while `mutex` or `openSSL` is held. `forks` changes only in a child that has one
/// thread yet: reading it without the lock is no race. The order: `forking`, `gate`, `openSSL`, `mutex`.
struct ProcessState {
  /// Of threads that fork at the same time one comes after the other.
  var forking = pthread_mutex_t()
  /// See `ForkGate`, which threads inside hold for reading.
  var gate = pthread_rwlock_t()
  var insideKey = pthread_key_t()
  /// Recursive.
  var openSSL = pthread_mutex_t()
  var mutex = pthread_mutex_t()
  var forks = 0
  // Guarded by `forking`:
  var isGateClosed = false
  var rehearsal: (@convention(c) () -> Void)?

  nonisolated(unsafe) static let shared: UnsafeMutablePointer<ProcessState> = {
    let state = UnsafeMutablePointer<ProcessState>.allocate(capacity: 1)
    state.initialize(to: ProcessState())
    pthread_key_create(&state.pointee.insideKey, nil)
    state.pointee.initialiseLocks()
    return state
  }()

  private mutating func initialiseLocks() {
    pthread_mutex_init(&forking, nil)
    pthread_mutex_init(&mutex, nil)
    var recursive = pthread_mutexattr_t()
    pthread_mutexattr_init(&recursive)
    pthread_mutexattr_settype(&recursive, Int32(PTHREAD_MUTEX_RECURSIVE))
    pthread_mutex_init(&openSSL, &recursive)
    pthread_mutexattr_destroy(&recursive)
    // Else two busy threads, of which one is always inside, keep `fork` waiting. Nobody enters twice.
    var writersFirst = pthread_rwlockattr_t()
    pthread_rwlockattr_init(&writersFirst)
    pthread_rwlockattr_setkind_np(&writersFirst, Int32(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP))
    pthread_rwlock_init(&gate, &writersFirst)
    pthread_rwlockattr_destroy(&writersFirst)
  }

  /// Registered apart from `shared`: a handler that ran inside the initialiser of what it uses would wait for
  /// itself.
  private static let forkHandlers: Void = {
    _ = shared
    pthread_atfork({ ProcessState.beforeFork() }, { ProcessState.afterFork() }, { ProcessState.inChild() })
  }()

  /// Installs the handlers, once.
  static func prepare() { _ = forkHandlers }

  private static func beforeFork() {
    let state = shared
    pthread_mutex_lock(&state.pointee.forking)
    // What it makes is made once for all.
    state.pointee.rehearsal?()
    state.pointee.rehearsal = nil
    state.pointee.isGateClosed = ForkGate.close()
    pthread_mutex_lock(&state.pointee.openSSL)
    pthread_mutex_lock(&state.pointee.mutex)
  }

  private static func afterFork() {
    let state = shared
    pthread_mutex_unlock(&state.pointee.mutex)
    pthread_mutex_unlock(&state.pointee.openSSL)
    if state.pointee.isGateClosed { ForkGate.open() }
    pthread_mutex_unlock(&state.pointee.forking)
  }

  private static func inChild() {
    shared.pointee.forks &+= 1
    shared.pointee.initialiseLocks()
    ForkGate.forgetInChild()
  }

  static func withLock<Result>(_ body: () -> Result) -> Result {
    prepare()
    pthread_mutex_lock(&shared.pointee.mutex)
    defer { pthread_mutex_unlock(&shared.pointee.mutex) }
    return body()
  }
}
