import Testing

@testable import RWSNetwork

/// The rules of RFC 8305, on a clock that only the test moves.
@Suite struct HappyEyeballsTests {
  private typealias Machine = HappyEyeballs<String>

  /// What happens, and what is expected to come of it, one line each: `at 50: dial b`.
  private enum Event {
    case v6([String]), v4([String]), fails(Int)
    /// Nothing but time.
    case passes
  }

  private func run(
    _ events: [(Int64, Event)], attemptsMax: Int = 6, prefersV4: Bool = false, until end: Int64
  ) -> [String] {
    var machine = Machine(
      .init(attemptDelay: 250, resolutionDelay: 50, attemptsMax: attemptsMax)
    ) { _, _ in prefersV4 }
    var log: [String] = []
    var events = events[...]
    var now: Int64 = 0
    while now <= end {
      while let (time, event) = events.first, time <= now {
        events.removeFirst()
        switch event {
        case .v6(let addresses): machine.resolved(.v6, addresses, now: now)
        case .v4(let addresses): machine.resolved(.v4, addresses, now: now)
        case .fails(let attempt): machine.failed(attempt: attempt, now: now)
        case .passes: break
        }
      }
      var wake: Int64?
      steps: while true {
        switch machine.next(now: now) {
        case .dial(let address, _): log.append("at \(now): dial \(address)")
        case .abandon(let attempt): log.append("at \(now): abandon \(attempt)")
        case .wait(let until):
          wake = until
          break steps
        case .exhausted: return log + ["at \(now): exhausted"]
        }
      }
      guard let next = [wake, events.first?.0].compactMap({ $0 }).min() else { break }
      #expect(next > now, "a time to wait for lies ahead")
      now = max(next, now + 1)
    }
    return log
  }

  @Test("§3: the AAAA answer starts the first attempt at once")
  func v6First() {
    #expect(run([(10, .v6(["a"]))], until: 1000) == ["at 10: dial a"])
  }

  @Test("§3: an A answer waits the Resolution Delay for the AAAA answer, no longer")
  func resolutionDelay() {
    #expect(run([(10, .v4(["b"]))], until: 1000) == ["at 60: dial b"])
    #expect(
      run([(10, .v4(["b"])), (30, .v6(["a"]))], until: 1000)
        == ["at 30: dial a", "at 280: dial b"])
  }

  @Test("§3: that a name has no AAAA ends the Resolution Delay")
  func noV6() {
    #expect(run([(10, .v4(["b"])), (20, .v6([]))], until: 1000) == ["at 20: dial b"])
    #expect(run([(5, .v6([])), (10, .v4(["b"]))], until: 1000) == ["at 10: dial b"])
  }

  @Test("§4: the families take turns, each in the resolver's order")
  func interleaving() {
    #expect(
      run([(0, .v6(["a1", "a2", "a3"])), (0, .v4(["b1", "b2"]))], until: 2000) == [
        "at 0: dial a1", "at 250: dial b1", "at 500: dial a2", "at 750: dial b2",
        "at 1000: dial a3",
      ])
  }

  @Test("RFC 6724: where the first IPv4 address is the better destination, it goes first")
  func preferredV4() {
    #expect(
      run([(0, .v6(["a1", "a2"])), (0, .v4(["b1"]))], prefersV4: true, until: 2000)
        == ["at 0: dial b1", "at 250: dial a1", "at 500: dial a2"])
  }

  @Test("§5: a failure starts the next attempt at once, and the delay begins anew")
  func failure() {
    #expect(
      run([(0, .v6(["a1", "a2"])), (0, .v4(["b1"])), (20, .fails(1))], until: 2000)
        == ["at 0: dial a1", "at 20: dial b1", "at 270: dial a2"])
  }

  @Test("§3: addresses that come later join the attempts under way, in their turn")
  func lateFamily() {
    #expect(
      run([(0, .v6(["a1", "a2"])), (100, .v4(["b1"]))], until: 2000)
        == ["at 0: dial a1", "at 250: dial b1", "at 500: dial a2"])
    #expect(
      run([(0, .v6(["a1"])), (400, .v4(["b1"]))], until: 2000)
        == ["at 0: dial a1", "at 400: dial b1"])
    // The first family has failed as a whole: the late one is dialled when it comes.
    #expect(
      run([(0, .v4(["b1"])), (60, .fails(1)), (400, .v6(["a1"]))], until: 2000)
        == ["at 50: dial b1", "at 400: dial a1"])
  }

  @Test("all attempts failed and all answers are there: exhausted; not earlier")
  func exhausted() {
    #expect(run([(0, .v6([])), (10, .v4([]))], until: 100) == ["at 10: exhausted"])
    #expect(
      run([(0, .v6(["a"])), (0, .v4(["b"])), (5, .fails(1)), (9, .fails(2))], until: 100)
        == ["at 0: dial a", "at 5: dial b", "at 9: exhausted"])
    #expect(
      run([(0, .v6(["a"])), (5, .fails(1)), (70, .v4([]))], until: 100)
        == ["at 0: dial a", "at 70: exhausted"])
  }

  @Test("at most so many attempts at a time: the oldest makes room when the next one is due")
  func bound() {
    #expect(
      run([(0, .v6(["a1", "a2", "a3", "a4"])), (0, .v4([]))], attemptsMax: 2, until: 2000) == [
        "at 0: dial a1", "at 250: dial a2", "at 500: abandon 1", "at 500: dial a3",
        "at 750: abandon 2", "at 750: dial a4",
      ])
    #expect(
      run([(0, .v6(["a1", "a2"])), (0, .v4([]))], attemptsMax: 0, until: 2000)
        == ["at 0: dial a1", "at 250: abandon 1", "at 250: dial a2"])
  }

  @Test("a second answer for a family, and the failure of an attempt that is not running, change nothing")
  func repeated() {
    #expect(
      run(
        [(0, .v6(["a"])), (1, .v6(["x"])), (2, .fails(7)), (3, .fails(1)), (4, .fails(1)), (9, .v4([]))],
        until: 100) == ["at 0: dial a", "at 9: exhausted"])
  }
}

@Suite struct DestinationRankTests {
  private func bytes(_ address: String) throws -> [UInt8] {
    try #require(Resolver.numeric(address, 1)).mappedBytes
  }

  @Test(
    "RFC 6724 §6 between the families: destination, source; better before worse",
    arguments: [
      // Rule 1: a destination that cannot be reached is last.
      (("192.0.2.1", "198.51.100.1"), ("2001:db8::1", nil)),
      (("2001:db8::1", "2001:db8::2"), ("192.0.2.1", nil)),
      // Rule 6: all else equal, IPv6 before IPv4; 6to4 after both.
      (("2001:db8::1", "2001:db8::2"), ("192.0.2.1", "198.51.100.1")),
      (("192.0.2.1", "198.51.100.1"), ("2002:c000:201::1", "2002:c633:6401::1")),
      (("::1", "::1"), ("127.0.0.1", "127.0.0.1")),
      // Rule 5: a private IPv6 source says that there may be no way out.
      (("192.0.2.1", "10.0.0.1"), ("2001:db8::1", "fd00::2")),
      (("fd00::1", "fd00::2"), ("192.0.2.1", nil)),
      // Rule 2: from a link-local address nothing global is reached.
      (("192.0.2.1", "10.0.0.1"), ("2001:db8::1", "fe80::2")),
      (("2001:db8::1", "2001:db8::2"), ("192.0.2.1", "169.254.1.1")),
    ] as [((String, String?), (String, String?))])
  func order(better: (String, String?), worse: (String, String?)) throws {
    let first = DestinationRank(
      destination: try bytes(better.0), source: try better.1.map { try bytes($0) })
    let second = DestinationRank(
      destination: try bytes(worse.0), source: try worse.1.map { try bytes($0) })
    #expect(first > second)
    #expect(!(second > first))
  }
}
