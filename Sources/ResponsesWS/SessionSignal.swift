import RWSNetwork

/// A descriptor that is readable while any turn of a session has something to read: the bridge to
/// event loops of others. Made when first asked for; until then only a count is kept.
final class SessionSignal: @unchecked Sendable {
  private let lock = Lock()
  private var descriptor: EventDescriptor?
  private var readyTurns = 0

  func open() throws(ResponsesError) -> Int32 {
    do throws(NetworkFailure) {
      return try lock.withLock { () throws(NetworkFailure) in
        if let descriptor { return descriptor.number }
        let made = try EventDescriptor()
        if readyTurns > 0 { made.set() }
        descriptor = made
        return made.number
      }
    } catch {
      throw ResponsesError(error)
    }
  }

  func turnBecameReady() {
    lock.withLock {
      readyTurns += 1
      if readyTurns == 1 { descriptor?.set() }
    }
  }

  func turnWasDrained() {
    lock.withLock {
      readyTurns -= 1
      if readyTurns == 0 { descriptor?.clear() }
    }
  }
}
