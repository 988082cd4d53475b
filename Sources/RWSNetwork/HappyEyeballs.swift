/// Whom to dial, and when (Happy Eyeballs version 2, RFC 8305): a name's addresses come per family and at
/// different times; attempts are staggered, families take turns, and a dead address costs a moment instead of
/// the time limit. Pure: time is an argument, and the shell (`Dialer`) does what `next` says.
struct HappyEyeballs<Address> {
  enum Family { case v6, v4 }

  struct Options: Sendable {
    /// RFC 8305 §5, Connection Attempt Delay.
    var attemptDelay: Int64 = 250_000_000
    /// RFC 8305 §3: what an early A answer waits for the AAAA answer.
    var resolutionDelay: Int64 = 50_000_000
    /// Attempts at a time; beyond it the oldest makes room, which has then had 1.5 seconds.
    var attemptsMax = 6
  }

  enum Step {
    case dial(Address, attempt: Int)
    /// Close that one: it is not counted any more.
    case abandon(attempt: Int)
    /// Nothing to do before that time (nil: before something happens).
    case wait(until: Int64?)
    /// No attempt is left, and no address will come.
    case exhausted
  }

  private let options: Options
  /// RFC 6724 between the first address of each family.
  private let prefersV4: (_ v4: Address, _ v6: Address) -> Bool
  private var awaitsV6 = true
  private var awaitsV4 = true
  private var v6: ArraySlice<Address> = []
  private var v4: ArraySlice<Address> = []
  private var lastFamily: Family?
  private var resolutionDeadline = Int64.min
  private var nextAttempt = Int64.min
  /// Oldest first.
  private var running: [Int] = []
  private var attempts = 0

  init(
    _ options: Options = Options(),
    prefersV4: @escaping (_ v4: Address, _ v6: Address) -> Bool = { _, _ in false }
  ) {
    self.options = options
    self.prefersV4 = prefersV4
  }

  var awaitsAddresses: Bool { awaitsV6 || awaitsV4 }

  /// The answer for one family, in the resolver's order; empty if there is none. Only the first one counts.
  mutating func resolved(_ family: Family, _ addresses: [Address], now: Int64) {
    switch family {
    case .v6:
      guard awaitsV6 else { return }
      awaitsV6 = false
      v6 = addresses[...]
    case .v4:
      guard awaitsV4 else { return }
      awaitsV4 = false
      v4 = addresses[...]
      resolutionDeadline = now &+ options.resolutionDelay
    }
  }

  /// The attempt failed: the next one need not wait.
  mutating func failed(attempt: Int, now: Int64) {
    guard let index = running.firstIndex(of: attempt) else { return }
    running.remove(at: index)
    nextAttempt = min(nextAttempt, now)
  }

  /// To be asked again after each step until it is `wait` or `exhausted`, and when that time has come.
  mutating func next(now: Int64) -> Step {
    guard !v6.isEmpty || !v4.isEmpty else {
      return running.isEmpty && !awaitsAddresses ? .exhausted : .wait(until: nil)
    }
    // Only before the first attempt: later the stagger gives the other family time enough.
    if attempts == 0, v6.isEmpty, awaitsV6, now < resolutionDeadline {
      return .wait(until: resolutionDeadline)
    }
    guard now >= nextAttempt else { return .wait(until: nextAttempt) }
    if running.count >= max(1, options.attemptsMax) { return .abandon(attempt: running.removeFirst()) }
    guard let address = takeAddress() else { return .wait(until: nil) }
    attempts += 1
    running.append(attempts)
    nextAttempt = now &+ options.attemptDelay
    return .dial(address, attempt: attempts)
  }

  /// RFC 8305 §4: the families take turns.
  private mutating func takeAddress() -> Address? {
    let family: Family
    switch (v6.first, v4.first) {
    case (_, nil): family = .v6
    case (nil, _): family = .v4
    case (let first6?, let first4?):
      switch lastFamily {
      case .v6: family = .v4
      case .v4: family = .v6
      case nil: family = prefersV4(first4, first6) ? .v4 : .v6
      }
    }
    lastFamily = family
    switch family {
    case .v6: return v6.popFirst()
    case .v4: return v4.popFirst()
    }
  }
}
