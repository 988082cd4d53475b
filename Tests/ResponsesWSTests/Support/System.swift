import Glibc

@testable import RWSNetwork

/// Threads outside of Swift's pool, for calls that block.
enum Background {
  static func run(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    guard Thread.start(&thread, name: "test", body) == 0 else { return }
    pthread_detach(thread)
  }
}

enum Descriptors {
  /// - Parameter milliseconds: how long to wait for it.
  static func isReadable(_ descriptor: Int32, within milliseconds: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, milliseconds) == 1
  }
}
