/// How failures of one turn are met; times in nanoseconds.
package struct RecoveryOptions: Sendable, Equatable {
  package var replay = ReplayPolicy.safe
  /// Times that a turn may be sent again, for whatever reasons.
  package var resendsMax = 4
  /// The first wait is from zero to this; each further one may be twice as long …
  package var backoffBase: Int64 = 500_000_000
  /// … but not longer.
  package var backoffMax: Int64 = 16_000_000_000

  /// A server that asks for a longer wait is not waited for: the caller is told.
  static let retryAfterMax: Int64 = 60_000_000_000

  package init() {}

  /// For a turn that the server made by itself: only it knows the request.
  static var none: RecoveryOptions {
    var options = RecoveryOptions()
    options.resendsMax = 0
    return options
  }

  /// Full jitter: clients that failed together do not come back together.
  func backoff(attempt: Int, _ random: inout RandomSource) -> Int64 {
    let doubled = backoffBase.multipliedReportingOverflow(by: 1 << Int64(min(max(attempt, 0), 30)))
    let limit = doubled.overflow ? backoffMax : min(doubled.partialValue, backoffMax)
    return random.next(upTo: max(limit, 0))
  }
}
