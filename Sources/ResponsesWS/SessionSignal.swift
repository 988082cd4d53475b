import Glibc
import RWSNetwork

/// A descriptor that is readable while any turn of a session has something to read: the bridge to
/// event loops of others. Made when first asked for; until then only a count is kept.
final class SessionSignal: @unchecked Sendable {
  private let lock = Lock()
  private var descriptor: Int32 = -1
  private var readyTurns = 0

  deinit {
    if descriptor >= 0 { Glibc.close(descriptor) }
  }

  func open() throws(ResponsesError) -> Int32 {
    let result = lock.withLock {
      if descriptor < 0 {
        descriptor = eventfd(readyTurns > 0 ? 1 : 0, Int32(EFD_NONBLOCK.rawValue | EFD_CLOEXEC.rawValue))
      }
      return descriptor
    }
    guard result >= 0 else {
      throw ResponsesError(.resources, "No descriptor could be made (errno \(errno)).")
    }
    return result
  }

  func turnBecameReady() {
    lock.withLock {
      readyTurns += 1
      if readyTurns == 1, descriptor >= 0 { eventfd_write(descriptor, 1) }
    }
  }

  func turnWasDrained() {
    lock.withLock {
      readyTurns -= 1
      if readyTurns == 0, descriptor >= 0 {
        var value: eventfd_t = 0
        eventfd_read(descriptor, &value)
      }
    }
  }
}
