/// So many requests a minute over all connections, in a window that slides. Shared by the connections of a
/// server, on its one thread.
package final class RateLimiter {
  private let limit: Int?
  private var begun: [Int64] = []
  private static let window: Int64 = 60_000_000_000

  package init(requestsPerMinute: Int?) {
    limit = requestsPerMinute
  }

  /// Counts a request, or refuses it.
  func admit(_ now: Int64) throws(RequestError) {
    guard let limit else { return }
    begun.removeAll { $0 &+ Self.window <= now }
    guard begun.count < limit else {
      let wait = max(0, (begun.first ?? now) &+ Self.window &- now)
      var error = RequestError(
        status: 429, type: "requests", code: "rate_limit_exceeded",
        message: "Rate limit reached: \(limit) requests per minute.", param: nil)
      error.headers = [
        ("retry-after", String((wait + 999_999_999) / 1_000_000_000)),
        ("retry-after-ms", String(wait / 1_000_000)),
        ("x-ratelimit-limit-requests", String(limit)), ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "\(wait / 1_000_000)ms"),
      ].map { RequestError.Header(name: $0, value: $1) }
      throw error
    }
    begun.append(now)
  }
}
