/// What one server does the same way on every connection.
package struct ServerConfiguration: Sendable {
  package var dialect = Dialect.openAI
  /// Refuses top-level fields that `response.create` does not have. Real clients send extra ones
  /// (`client_metadata`, …), so the default takes them and ignores them.
  package var strictFields = false
  /// Beyond this many input tokens a request fails with `context_length_exceeded`.
  package var contextWindow = 1_050_000
  /// Between a request's start and its first output event.
  package var thinkingNanoseconds: Int64 = 0
  /// Output tokens per second; nil: all at once.
  package var tokensPerSecond: Double?
  /// Between the moment when a fork (a continuation of another lane's response) may begin and the moment when
  /// its parent is looked up. The lane it forks from can go on meanwhile, and take the parent away.
  package var forkDelayNanoseconds: Int64 = 0
  /// A running response that has sent nothing for so long sends a `keepalive`; nil: never.
  package var keepAliveNanoseconds: Int64?
  /// How old a connection becomes; nil: as the dialect says.
  package var maxAgeNanoseconds: Int64?
  /// Nothing is stored, whatever a request says.
  package var zeroDataRetention = false
  /// Responses with `store: true` that are kept; the oldest go first.
  package var storedResponsesMax = ResponseStore.responsesMax
  /// Models that take `response.steer`: those whose name begins so.
  package var steerablePrefix = "gpt-6"
  /// Steers that may wait for one response.
  package var pendingSteers = 8
  /// Requests that begin in a minute, over all connections; nil: as many as come.
  package var requestsPerMinute: Int?
  /// What `ServerConnection` makes a record of for each executed response.
  package var logged = Logged.nothing
  /// Unix time, in nanoseconds, at which the clock given to the core showed zero.
  package var unixNanosecondsAtZero: Int64 = 0

  /// Limits of the service (per connection).
  package var responsesInFlight = 16
  package var namedLanes = 32
  /// Ours: requests waiting on one connection; the service names no number.
  package var queuedRequests = 1024

  package enum Logged: Sendable {
    case nothing
    /// The whole context that the model saw, and its answer.
    case responses
    /// What it took.
    case costs
  }

  package init() {}

  func unixSeconds(_ now: Int64) -> Int64 {
    (unixNanosecondsAtZero &+ now) / 1_000_000_000
  }

  var ageLimit: Int64 { maxAgeNanoseconds ?? Int64(dialect.maxAgeSeconds) * 1_000_000_000 }

  var inFlightMax: Int { dialect.has(.noLanes) ? 1 : responsesInFlight }
}
