import Glibc

/// Keeps `fork` out while a thread is in the middle of this library's code.
///
/// What the Swift runtime makes when it is first needed (metadata of generic types, conformances, lazy globals)
/// one thread makes while all others who need it wait. A child forked in that moment does not have this thread
/// and would wait for ever. So a thread is *inside* while it runs code that a child may need as well, and
/// outside while it waits or calls the host: `fork` waits until nobody is inside, and nobody enters until it is
/// done.
///
/// It waits no longer than `patience`: a thread may be inside for long, or wait for what the forking thread has.
package enum ForkGate {
  static let patience: Int64 = 50_000_000

  /// Runs `body` inside; it must not wait for another thread that enters.
  package static func inside<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let mustEnter = !isInside
    if mustEnter { enter() }
    defer { if mustEnter { leave() } }
    return try body()
  }

  /// Runs `body`, which waits or calls the host, outside. On a thread that is not inside it only runs it.
  @inline(__always)
  package static func outside<Result>(_ body: () -> Result) -> Result {
    let mustLeave = isInside
    if mustLeave { leave() }
    defer { if mustLeave { enter() } }
    return body()
  }

  static var isInside: Bool {
    pthread_getspecific(ProcessState.shared.pointee.insideKey) != nil
  }

  private static func enter() {
    ProcessState.prepare()
    let state = ProcessState.shared
    pthread_rwlock_rdlock(&state.pointee.gate)
    pthread_setspecific(state.pointee.insideKey, state)
  }

  /// In a child whose thread was inside at the fork the gate is a new one, which nobody has entered.
  private static func leave() {
    guard isInside else { return }
    let state = ProcessState.shared
    pthread_setspecific(state.pointee.insideKey, nil)
    pthread_rwlock_unlock(&state.pointee.gate)
  }

  // MARK: The handlers of `fork`

  /// Waits until nobody is inside. False after `patience`, and where the forking thread itself is inside.
  static func close() -> Bool {
    guard !isInside else { return false }
    // The wall clock, as the function has it: a clock that is set back in this moment makes `fork` slow once.
    var limit = timespec()
    clock_gettime(CLOCK_REALTIME, &limit)
    limit.tv_nsec += Int(patience)
    if limit.tv_nsec >= 1_000_000_000 {
      limit.tv_nsec -= 1_000_000_000
      limit.tv_sec += 1
    }
    return pthread_rwlock_timedwrlock(&ProcessState.shared.pointee.gate, &limit) == 0
  }

  static func open() {
    pthread_rwlock_unlock(&ProcessState.shared.pointee.gate)
  }

  static func forgetInChild() {
    pthread_setspecific(ProcessState.shared.pointee.insideKey, nil)
  }
}
