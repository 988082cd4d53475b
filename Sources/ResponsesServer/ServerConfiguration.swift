/// What one server does the same way on every connection.
package struct ServerConfiguration: Sendable {
  /// Refuses top-level fields that `response.create` does not have. Real clients send extra ones
  /// (`client_metadata`, …), so the default takes them and ignores them.
  package var strictFields = false
  /// Beyond this many input tokens a request fails with `context_length_exceeded`.
  package var contextWindow = 1_050_000
  /// Between a request's start and its first output event.
  package var thinkingNanoseconds: Int64 = 0
  /// Output tokens per second; nil: all at once.
  package var tokensPerSecond: Double?
  /// Whether `ServerConnection` makes a record of each executed response.
  package var logsResponses = false
  /// Unix time, in nanoseconds, at which the clock given to the core showed zero.
  package var unixNanosecondsAtZero: Int64 = 0

  /// Limits of the service (per connection).
  package var responsesInFlight = 16
  package var namedLanes = 32
  /// Ours: requests waiting on one connection; the service names no number.
  package var queuedRequests = 1024

  package init() {}

  func unixSeconds(_ now: Int64) -> Int64 {
    (unixNanosecondsAtZero &+ now) / 1_000_000_000
  }
}
