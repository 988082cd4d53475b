/// What differs between the providers that speak this mode, as data (user-pain.md, section 4).
package struct Dialect: Sendable, Equatable {
  /// Whether `stream_id` makes lanes.
  package enum Lanes: Sendable, Equatable {
    /// To be found out with the first named lane: its events echo the name or they do not.
    case unknown
    case supported
    /// One response in flight on a connection, no `stream_id`.
    case unsupported
  }

  package var lanes = Lanes.unknown
  /// `instructions` are refused together with `previous_response_id`; those of the chain's start stay.
  package var refusesInstructionsWithAnchor = false
  /// The server closes a connection of this age.
  package var ageLimitNanoseconds: Int64 = 60 * 60 * 1_000_000_000 {
    didSet { rotationMarginNanoseconds = ageLimitNanoseconds / 12 }
  }
  /// So long before, sessions move to a younger connection.
  package private(set) var rotationMarginNanoseconds: Int64 = 5 * 60 * 1_000_000_000

  package init() {}

  /// - Parameters:
  ///   - host: lower case, without port.
  package init(host: String, path: String) {
    if host == "api.openai.com" || host.hasSuffix(".api.openai.com") {
      lanes = .supported
    } else if host == "chatgpt.com" {
      lanes = .unsupported
    } else if host.hasSuffix(".openai.azure.com") || host.hasSuffix(".services.ai.azure.com") {
      lanes = .unsupported
    } else if host == "api.x.ai" || host.hasSuffix(".api.x.ai") {
      lanes = .unsupported
      refusesInstructionsWithAnchor = true
      ageLimitNanoseconds = 25 * 60 * 1_000_000_000
      rotationMarginNanoseconds = 60 * 1_000_000_000
    }
  }
}

/// How many connections and requests there may be (protocol.md, Lanes).
package struct PoolLimits: Sendable, Equatable {
  /// Connections of one route.
  package var connectionsMax = 64
  /// New connections of one route: this many at once …
  package var connectBurst = 16
  /// … then one in each such time. A fan-out of dials is answered with 403 by some (user-pain 7).
  package var connectIntervalNanoseconds: Int64 = 250_000_000
  /// Waits before something is sent again, of all turns: this many at once …
  package var retryBurst = 256
  /// … then one in each such time.
  package var retryIntervalNanoseconds: Int64 = 100_000_000
  /// A connection that no session uses is closed after this time.
  package var idleNanoseconds: Int64 = 30_000_000_000

  /// Sessions that were active so lately have their context prepared on the connection that they move to.
  package var primesRotation = false
  package var primingNanoseconds: Int64 = 300_000_000_000
  /// So long their next turns wait for that.
  package var primingLimitNanoseconds: Int64 = 60_000_000_000
  /// A stored response that is looked up and still runs is looked up again after this time, then after longer ones.
  package var lookupPauseNanoseconds: Int64 = 500_000_000
  /// An API key that was asked for must be there within this time.
  package var keyNanoseconds: Int64 = 15_000_000_000

  /// Where WebSocket cannot be had it is tried again so often, in the background.
  package var probeNanoseconds: Int64 = 60_000_000_000

  /// Responses in flight on one connection; the server queues what is beyond.
  static let inFlightMax = 16
  /// Distinct lane names in a connection's life; the default lane does not count.
  static let namedLanesMax = 32

  package init() {}
}
