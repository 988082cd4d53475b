import CLinux
import Glibc

/// A descriptor that is readable while it is set: an eventfd for loops of others to wait on. Any thread.
package final class EventDescriptor: Sendable {
  package let number: Int32

  package init() throws(NetworkFailure) {
    number = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
    guard number >= 0 else {
      throw NetworkFailure.resources("An event descriptor could not be made", errno)
    }
  }

  deinit { Glibc.close(number) }

  package func set() { _ = eventfd_write(number, 1) }

  package func clear() {
    var value: eventfd_t = 0
    _ = eventfd_read(number, &value)
  }
}
