/// Decides whether a connection is still alive; owns no timer and reads no clock. The channel tells it what
/// happens, calls `check` when `due` has come (earlier does no harm), and carries the verdict out.
///
///   silence ──interval──▶ ping ──interval──▶ ping … ──interval──▶ dead       any byte in: silence anew
///   kernel takes no more ──writeStall──▶ stalled                              any byte out: anew
///   nobody uses it ──idle──▶ idle          clocks disagree ──standstill──▶ suspended
///
/// While the owner reads nothing (back-pressure) only the standstill counts: pongs lie unread, and a peer
/// that cannot write may not read either.
struct LivenessClock {
  enum Verdict: Equatable {
    case alive
    case ping
    case dead(silence: Int64, unansweredPings: Int)
    case stalled(Int64)
    case suspended(Int64)
    case idle(Int64)
  }

  private let limits: LivenessLimits
  /// When bytes last came in.
  private(set) var lastReceived: Int64
  private var lastUsed: Int64
  /// Since when the kernel has taken nothing of what waits.
  private var blockedSince: Int64?
  /// When the kernel last took bytes after it had refused some: then the peer has acknowledged others.
  private var lastProgress: Int64
  private var lastPing: Int64 = .min
  private var unanswered = 0
  private var isPaused = false
  private var lastReading: ClockReading

  /// Something is awaited of the connection: it is not idle.
  var isInUse = false {
    didSet { lastUsed = max(lastUsed, lastReceived) }
  }

  init(_ limits: LivenessLimits, at reading: ClockReading) {
    self.limits = limits
    lastReading = reading
    lastReceived = reading.monotonic
    lastUsed = reading.monotonic
    lastProgress = reading.monotonic
  }

  // MARK: What happens

  /// Bytes came in, of whatever kind: a pong, half a frame.
  @inline(__always)
  mutating func received(at now: Int64) { lastReceived = now }

  /// A message went or came.
  @inline(__always)
  mutating func used(at now: Int64) { lastUsed = now }

  /// The kernel took bytes.
  @inline(__always)
  mutating func wrote(at now: Int64) {
    guard blockedSince != nil else { return }
    blockedSince = nil
    lastProgress = now
  }

  /// The kernel takes no more, and bytes wait.
  mutating func blocked(at now: Int64) {
    if blockedSince == nil { blockedSince = now }
  }

  mutating func pause() { isPaused = true }

  /// Every clock begins anew.
  mutating func resume(at now: Int64) {
    isPaused = false
    lastReceived = now
    lastUsed = now
    if blockedSince != nil { blockedSince = now }
  }

  // MARK: What follows

  /// When `check` may have something to say.
  var due: Int64 {
    let standstill =
      limits.standstill == .max ? .max : later(lastReading.monotonic, Self.standstillCheck)
    guard !isPaused else { return standstill }
    return min(standstill, pingDue, stallDue, idleDue)
  }

  /// A standstill is looked for at least so often; the checks for pings come first, where there are pings.
  private static let standstillCheck: Int64 = 30_000_000_000

  private var lastLife: Int64 { max(lastReceived, lastProgress) }
  private var pingDue: Int64 { later(max(lastLife, lastPing), limits.pingInterval) }
  private var stallDue: Int64 { blockedSince.map { later($0, limits.writeStall) } ?? .max }
  private var idleDue: Int64 {
    isInUse || blockedSince != nil ? .max : later(lastUsed, limits.idle)
  }

  private func later(_ time: Int64, _ delay: Int64) -> Int64 {
    let (sum, overflow) = time.addingReportingOverflow(delay)
    return overflow ? .max : sum
  }

  /// Every end is answered again by the next call, but for a standstill, which is answered once.
  mutating func check(_ reading: ClockReading) -> Verdict {
    let now = reading.monotonic
    if let standstill = standstill(reading) { return .suspended(standstill) }
    guard !isPaused else { return .alive }
    if now >= stallDue, let blockedSince { return .stalled(now &- blockedSince) }
    if lastLife >= lastPing { unanswered = 0 }
    if now >= pingDue {
      guard unanswered < limits.missedPongsMax else {
        return .dead(silence: now &- lastLife, unansweredPings: unanswered)
      }
      // From now, not from when it was due: a loop that was held up has not listened meanwhile.
      lastPing = now
      unanswered += 1
      return .ping
    }
    return now >= idleDue ? .idle(now &- lastUsed) : .alive
  }

  /// How long everything stood still since the last reading; nil if it did not.
  mutating func standstill(_ reading: ClockReading) -> Int64? {
    let standstill = reading.standstill(since: lastReading)
    lastReading = reading
    return standstill >= limits.standstill ? standstill : nil
  }

  /// Whether a standstill ends this connection.
  var looksForStandstill: Bool { limits.standstill < .max }
}
