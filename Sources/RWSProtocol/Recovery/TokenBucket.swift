/// Bounds how often something is done: a bucket of `burst` tokens that refills by one in each
/// interval.
struct TokenBucket {
  private let burst: Int
  private let interval: Int64
  private var tokens: Int
  private var lastRefill: Instant

  init(burst: Int, intervalNanoseconds: Int64, now: Instant) {
    self.burst = max(1, burst)
    interval = max(1, intervalNanoseconds)
    tokens = self.burst
    lastRefill = now
  }

  mutating func take(_ now: Instant) -> Bool {
    refill(now)
    guard tokens > 0 else { return false }
    if tokens == burst { lastRefill = now }
    tokens -= 1
    return true
  }

  /// When the next token comes.
  var nextRefill: Instant { lastRefill.advanced(byNanoseconds: interval) }

  private mutating func refill(_ now: Instant) {
    let intervals = now.nanoseconds(since: lastRefill) / interval
    guard intervals > 0 else { return }
    tokens = intervals >= Int64(burst - tokens) ? burst : tokens + Int(intervals)
    lastRefill = lastRefill.advanced(byNanoseconds: intervals &* interval)
  }
}
