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
        RequestError.Header(name: "retry-after", value: String((wait + 999_999_999) / 1_000_000_000)),
        RequestError.Header(name: "retry-after-ms", value: String(wait / 1_000_000)),
      ] + headers(now)
      throw error
    }
    begun.append(now)
  }

  /// How much is left; empty without a limit.
  func headers(_ now: Int64) -> [RequestError.Header] {
    guard let limit else { return [] }
    let current = begun.filter { $0 &+ Self.window > now }
    let reset = current.first.map { max(0, $0 &+ Self.window &- now) } ?? 0
    return [
      RequestError.Header(name: "x-ratelimit-limit-requests", value: String(limit)),
      RequestError.Header(
        name: "x-ratelimit-remaining-requests", value: String(max(0, limit - current.count))),
      RequestError.Header(name: "x-ratelimit-reset-requests", value: "\(reset / 1_000_000)ms"),
    ]
  }
}
