import Glibc

/// Keeps `fork` out while a thread is in the middle of this library's code.
///
/// What the Swift runtime makes when it is first needed (metadata of generic types, conformances, lazy globals)
/// one thread makes while all others who need it wait. A child forked in that moment does not have this thread
/// and would wait for ever. So a thread is *inside* while it runs code that a child may need as well, and
/// outside while it waits or calls the host: `fork` waits until nobody is inside, and nobody enters until it is
/// done.
///
/// Neither waits longer than `patience`: what a host does in its own handlers of `fork` may need the other. It is
/// long for what is loaded once: OpenSSL alone takes 50 ms on a busy machine.
package enum ForkGate {
  static let patienceSeconds = 1

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
    if pthread_rwlock_tryrdlock(&state.pointee.gate) != 0 {
      var limit = limit()
      guard pthread_rwlock_timedrdlock(&state.pointee.gate, &limit) == 0 else { return }
    }
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

  /// Waits until nobody is inside. False when patience ends, and where the forking thread itself is inside.
  static func close() -> Bool {
    guard !isInside else { return false }
    var limit = limit()
    return pthread_rwlock_timedwrlock(&ProcessState.shared.pointee.gate, &limit) == 0
  }

  /// By the wall clock, as the functions have it: one that is set back in this moment makes a `fork` slow.
  private static func limit() -> timespec {
    var limit = timespec()
    clock_gettime(CLOCK_REALTIME, &limit)
    limit.tv_sec += patienceSeconds
    return limit
  }

  static func open() {
    pthread_rwlock_unlock(&ProcessState.shared.pointee.gate)
  }

  static func forgetInChild() {
    pthread_setspecific(ProcessState.shared.pointee.insideKey, nil)
  }
}
