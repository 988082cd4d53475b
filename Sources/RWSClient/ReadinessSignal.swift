import RWSNetwork

/// A descriptor that is readable while any of its sources (the turns of a session, a raw connection) has
/// something to read: the bridge to event loops of others. Made when first asked for; until then only a
/// count is kept.
final class ReadinessSignal: @unchecked Sendable {
  private let lock = Lock()
  private var descriptor: EventDescriptor?
  private var readySources = 0

  func open() throws(ResponsesError) -> Int32 {
    do throws(NetworkFailure) {
      return try lock.withLock { () throws(NetworkFailure) in
        if let descriptor { return descriptor.number }
        let made = try EventDescriptor()
        if readySources > 0 { made.set() }
        descriptor = made
        return made.number
      }
    } catch {
      throw ResponsesError(error)
    }
  }

  func becameReady() {
    lock.withLock {
      readySources += 1
      if readySources == 1 { descriptor?.set() }
    }
  }

  func wasDrained() {
    lock.withLock {
      readySources -= 1
      if readySources == 0 { descriptor?.clear() }
    }
  }
}
