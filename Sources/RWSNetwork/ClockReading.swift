import Glibc

/// The clocks whose disagreement shows that this machine, or this process, stood still.
struct ClockReading: Equatable {
  /// CLOCK_MONOTONIC, the clock of timers: stops while the machine sleeps.
  var monotonic: Int64
  /// CLOCK_BOOTTIME: goes on while the machine sleeps.
  var boot: Int64
  /// CLOCK_REALTIME: set right after a pause that the other two did not see (a virtual machine's).
  var wall: Int64
  /// How long the loop has been starved (`EventLoop.starved`): the clocks went on and the process did not.
  var starved: Int64

  static func now(starved: Int64) -> ClockReading {
    ClockReading(
      monotonic: MonotonicClock.now(), boot: read(CLOCK_BOOTTIME), wall: read(CLOCK_REALTIME),
      starved: starved)
  }

  private static func read(_ clock: clockid_t) -> Int64 {
    var time = Glibc.timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }

  /// The longest standstill since `earlier` that any of the clocks shows. Slewing moves them all alike, so a
  /// difference that grew is a step. A wall clock set forward by hand looks the same as a pause that was set
  /// right: the price of a mistake is one connection. One set back is none.
  func standstill(since earlier: ClockReading) -> Int64 {
    let went = monotonic &- earlier.monotonic
    return max(
      boot &- earlier.boot &- went, wall &- earlier.wall &- went, starved &- earlier.starved)
  }
}
