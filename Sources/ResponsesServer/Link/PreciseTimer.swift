import CLinux
import Glibc
import RWSNetwork

/// A timer of the kernel's: the loop's own wait whole milliseconds, which would be much of a short round trip.
final class PreciseTimer: DescriptorHandler {
  private let descriptor: Int32
  private let loop: EventLoop
  private var registration: Registration?
  private var onExpiry: () -> Void = {}

  init(on loop: EventLoop) throws(NetworkFailure) {
    self.loop = loop
    descriptor = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_NONBLOCK | TFD_CLOEXEC))
    guard descriptor >= 0 else { throw NetworkFailure(.resources, "A timer could not be made.") }
  }

  /// Keeps the timer alive until `cancel`.
  func start(_ onExpiry: @escaping () -> Void) throws(NetworkFailure) {
    self.onExpiry = onExpiry
    // POLLIN is EPOLLIN's value.
    registration = try loop.add(descriptor, interest: UInt32(POLLIN), handler: self)
  }

  /// nil: not at all.
  func arm(at deadline: Int64?) {
    var time = itimerspec()
    if let deadline {
      // Zero would disarm it.
      let due = max(1, deadline)
      time.it_value.tv_sec = Int(due / 1_000_000_000)
      time.it_value.tv_nsec = Int(due % 1_000_000_000)
    }
    timerfd_settime(descriptor, Int32(TFD_TIMER_ABSTIME), &time, nil)
  }

  func cancel() {
    onExpiry = {}
    if let registration { loop.remove(registration) }
    registration = nil
  }

  func ready(_ events: UInt32) {
    var count: UInt64 = 0
    _ = read(descriptor, &count, 8)
    onExpiry()
  }

  deinit { close(descriptor) }
}
