import Testing

@testable import RWSNetwork

/// All in seconds; the clock's nanoseconds are made here.
private struct FakeTime {
  var clock: LivenessClock
  var reading = ClockReading(monotonic: 0, boot: 0, wall: 0, starved: 0)

  init(_ configure: (inout LivenessLimits) -> Void = { _ in }) {
    var limits = LivenessLimits()
    configure(&limits)
    clock = LivenessClock(limits, at: reading)
  }

  var now: Int64 { reading.monotonic }
  var dueSeconds: Int64? { clock.due == .max ? nil : clock.due / second }

  /// All clocks go on alike.
  mutating func pass(_ seconds: Int64) {
    reading.monotonic += seconds * second
    reading.boot += seconds * second
    reading.wall += seconds * second
  }

  /// Lets the time pass to the next due check, and asks.
  mutating func next() -> LivenessClock.Verdict {
    pass(max(0, clock.due - now) / second)
    return clock.check(reading)
  }

  mutating func check() -> LivenessClock.Verdict { clock.check(reading) }
}

private let second: Int64 = 1_000_000_000

@Suite struct LivenessClockTests {
  @Test("by default: pings at 20, 40 and 60 s of silence, dead at 80")
  func silence() {
    var time = FakeTime()
    for seconds: Int64 in [20, 40, 60] {
      #expect(time.next() == .ping)
      #expect(time.now == seconds * second)
    }
    #expect(time.next() == .dead(silence: 80 * second, unansweredPings: 3))
    #expect(time.check() == .dead(silence: 80 * second, unansweredPings: 3))
  }

  @Test("a peer that answers pings and says nothing else lives for hours")
  func answeredPings() {
    var time = FakeTime()
    for _ in 0..<1000 {
      #expect(time.next() == .ping)
      time.pass(3)
      time.clock.received(at: time.now)
    }
  }

  @Test("a pong that comes only after the third ping is life all the same")
  func latePong() {
    var time = FakeTime()
    for _ in 0..<100 {
      for _ in 0..<3 { #expect(time.next() == .ping) }
      time.pass(19)
      time.clock.received(at: time.now)
      #expect(time.check() == .alive)
    }
  }

  @Test("any byte is life: one per second is never pinged, and the timer is armed as rarely as ever")
  func oneBytePerSecond() {
    var time = FakeTime()
    var checks = 0
    for _ in 0..<1000 {
      time.pass(1)
      time.clock.received(at: time.now)
      if time.now >= time.clock.due {
        checks += 1
        #expect(time.check() == .alive)
      }
    }
    #expect(checks <= 51)
  }

  @Test("checks that come early change nothing")
  func earlyChecks() {
    var time = FakeTime()
    for _ in 0..<79 {
      time.pass(1)
      switch time.check() {
      case .ping, .alive: break
      case let other: Issue.record("\(other)")
      }
    }
    time.pass(1)
    #expect(time.check() == .dead(silence: 80 * second, unansweredPings: 3))
  }

  @Test("a loop that was held up pings first: what it did not listen to is not silence")
  func heldUp() {
    var time = FakeTime()
    time.pass(500)
    for _ in 0..<3 { #expect(time.next() == .ping) }
    #expect(time.next() == .dead(silence: 560 * second, unansweredPings: 3))
  }

  @Test("missed_pongs_max and ping_interval are obeyed", arguments: [1, 2, 7])
  func limits(missed: Int) {
    var time = FakeTime {
      $0.missedPongsMax = missed
      $0.pingInterval = 5 * second
    }
    for _ in 0..<missed { #expect(time.next() == .ping) }
    let silence = Int64(missed + 1) * 5 * second
    #expect(time.next() == .dead(silence: silence, unansweredPings: missed))
  }

  @Test("without pings only a standstill is looked for; with nothing, nothing")
  func off() {
    var time = FakeTime { $0.pingInterval = .max }
    for _ in 0..<1000 { #expect(time.next() == .alive) }
    #expect(time.now == 30_000 * second)
    time = FakeTime { $0 = .none }
    #expect(time.dueSeconds == nil)
  }

  @Test("bytes that the kernel does not take for 60 s are a stall; progress begins it anew")
  func stall() {
    var time = FakeTime { $0.pingInterval = .max }
    time.pass(5)
    time.clock.blocked(at: time.now)
    time.pass(50)
    time.clock.blocked(at: time.now)
    #expect(time.check() == .alive)
    time.clock.wrote(at: time.now)
    time.clock.blocked(at: time.now)
    time.pass(59)
    #expect(time.check() == .alive)
    #expect(time.next() == .stalled(60 * second))
    time.clock.wrote(at: time.now)
    #expect(time.check() == .alive)
    #expect(time.dueSeconds == time.now / second + 30)
  }

  @Test("a peer that takes bytes lives, though it says nothing: a long upload is not silence")
  func upload() {
    var time = FakeTime()
    for _ in 0..<100 {
      time.clock.blocked(at: time.now)
      time.pass(15)
      time.clock.wrote(at: time.now)
      #expect(time.check() == .alive)
    }
  }

  @Test("what an empty socket buffer takes is no life")
  func unacknowledged() {
    var time = FakeTime()
    for seconds in 1..<80 {
      time.pass(1)
      time.clock.wrote(at: time.now)
      #expect(time.check() == (seconds % 20 == 0 ? .ping : .alive))
    }
    #expect(time.next() == .dead(silence: 80 * second, unansweredPings: 3))
  }

  @Test("while the owner reads nothing, the peer is neither silent nor stalled; then the clocks begin anew")
  func paused() {
    var time = FakeTime { $0.idle = 100 * second }
    time.clock.blocked(at: time.now)
    time.clock.pause()
    for _ in 0..<100 { #expect(time.next() == .alive) }
    time.clock.resume(at: time.now)
    time.pass(19)
    #expect(time.check() == .alive)
    time.pass(1)
    #expect(time.check() == .ping)
    time.pass(40)
    #expect(time.check() == .stalled(60 * second))
  }

  @Test("an idle connection is given up after its time, not while it is used or bytes wait")
  func idle() {
    var time = FakeTime { $0.idle = 30 * second }
    time.clock.isInUse = true
    for _ in 0..<100 {
      time.pass(10)
      time.clock.received(at: time.now)
      #expect(time.check() == .alive)
    }
    time.clock.isInUse = false
    time.pass(10)
    time.clock.used(at: time.now)
    time.clock.received(at: time.now)
    #expect(time.next() == .ping)
    time.clock.received(at: time.now)
    #expect(time.next() == .idle(30 * second))
    time.clock.blocked(at: time.now)
    #expect(time.check() == .alive)
  }

  @Test(
    "a standstill ends the connection at once, whichever clock shows it",
    arguments: [
      \ClockReading.boot as WritableKeyPath & Sendable, \ClockReading.wall, \ClockReading.starved,
    ])
  func standstill(clock: WritableKeyPath<ClockReading, Int64> & Sendable) {
    var time = FakeTime()
    time.pass(3)
    time.reading[keyPath: clock] += 9 * second
    #expect(time.check() == .alive)
    time.reading[keyPath: clock] += 10 * second
    #expect(time.check() == .suspended(10 * second))
    #expect(time.check() == .alive)
  }

  @Test("a standstill ends a paused connection too, and without pings; a clock set back does not")
  func standstillElsewhere() {
    var time = FakeTime { $0.pingInterval = .max }
    time.clock.pause()
    time.reading.wall -= 3600 * second
    #expect(time.next() == .alive)
    time.reading.boot += 3600 * second
    #expect(time.next() == .suspended(3600 * second))
    time = FakeTime { $0.standstill = .max }
    time.reading.boot += 3600 * second
    #expect(time.check() == .alive)
  }

  @Test("no limit overflows the clock")
  func extremes() {
    var time = FakeTime {
      $0.pingInterval = .max - 1
      $0.writeStall = .max - 1
      $0.idle = .max - 1
      $0.standstill = .max - 1
    }
    time.pass(100)
    time.clock.blocked(at: time.now)
    #expect(time.check() == .alive)
    #expect(time.dueSeconds == 130)
  }
}
