import Glibc

/// Nanoseconds of CLOCK_MONOTONIC: the only clock of timers and deadlines.
package enum MonotonicClock {
  package static func now() -> Int64 {
    var time = Glibc.timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }

  /// `now() + nanoseconds`, saturating: callers pass "no limit" as a very large number.
  package static func deadline(after nanoseconds: Int64) -> Int64 {
    let (sum, overflow) = now().addingReportingOverflow(max(0, nanoseconds))
    return overflow ? .max : sum
  }

  static func timespec(_ nanoseconds: Int64) -> Glibc.timespec {
    let time = max(0, nanoseconds)
    return Glibc.timespec(
      tv_sec: Int(time / 1_000_000_000), tv_nsec: Int(time % 1_000_000_000))
  }
}
