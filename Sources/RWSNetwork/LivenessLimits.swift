/// When a connection that says nothing is no longer worth waiting for. Nanoseconds; `.max`: never.
///
/// The defaults, and why:
/// - A ping after 20 s of silence stays below what closes idle connections on the way: proxies and load
///   balancers commonly after 50 to 60 s (nginx, HAProxy, AWS ALB), mobile networks after as little as 30 s.
/// - Three missed pongs, dead after 80 s of silence: a pong may be late behind a burst, and TCP needs up to a
///   minute to recover from an outage of half a minute. Silence that answers pings lasts as long as it likes:
///   a model may reason for an hour.
/// - 60 s without a byte taken by the kernel, for the same reason.
/// - 10 s of standstill: no scheduler starves a thread so long, and no user notices a shorter sleep.
package struct LivenessLimits: Sendable {
  /// Silence before a ping, and between pings.
  package var pingInterval: Int64 = 20_000_000_000
  /// So many pings may stay unanswered; the interval after the last one ends the connection.
  package var missedPongsMax = 3
  /// Bytes wait and the kernel takes none.
  package var writeStall: Int64 = 60_000_000_000
  /// Nobody uses the connection: no message goes or comes, and the owner expects none.
  package var idle: Int64 = .max
  /// The machine slept, or this process was stopped.
  package var standstill: Int64 = 10_000_000_000

  package init() {}

  /// A connection that only its peer ends.
  package static var none: LivenessLimits {
    var limits = LivenessLimits()
    limits.pingInterval = .max
    limits.writeStall = .max
    limits.standstill = .max
    return limits
  }
}
