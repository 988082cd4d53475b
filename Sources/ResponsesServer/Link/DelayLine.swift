/// What lies between clients and the server, as far as it is made here: TCP itself is local.
package struct LinkConditions: Sendable, Equatable {
  package var roundTripNanoseconds: Int64 = 0
  /// In each direction; 0: no limit.
  package var bytesPerSecond = 0.0
  /// Before a new connection carries its first byte: one for TCP's handshake (RFC 9293 §3.5), one for TLS 1.3's
  /// (RFC 8446 §2), which clients of the service pay and clients of a plain local port do not.
  package var handshakeRoundTrips = 2

  package init() {}
}

/// One direction of a connection: bytes come out in order, later than they went in. A line carries one byte after
/// the other, so that what is large is also slow. Owns no clock.
struct DelayLine {
  private let delay: Int64
  private let bytesPerSecond: Double
  /// When the last byte that went in will have left the sender.
  private var freeAt: Int64
  private var chunks: [(due: Int64, bytes: [UInt8])] = []
  private var next = 0
  private(set) var queuedBytes = 0

  /// `opensAt`: nothing is under way earlier.
  init(_ conditions: LinkConditions, opensAt: Int64) {
    delay = conditions.roundTripNanoseconds / 2
    bytesPerSecond = conditions.bytesPerSecond
    freeAt = opensAt
  }

  mutating func put(_ bytes: [UInt8], now: Int64) {
    freeAt = max(now, freeAt)
    if bytesPerSecond > 0 {
      freeAt &+= Int64(min(Double(bytes.count) / bytesPerSecond, 86_400) * 1e9)
    }
    chunks.append((freeAt &+ delay, bytes))
    queuedBytes &+= bytes.count
  }

  var nextDue: Int64? { next < chunks.count ? chunks[next].due : nil }

  mutating func takeDue(_ now: Int64) -> [UInt8]? {
    guard next < chunks.count, chunks[next].due <= now else { return nil }
    let bytes = chunks[next].bytes
    next += 1
    if next == chunks.count {
      chunks.removeAll(keepingCapacity: true)
      next = 0
    }
    queuedBytes &-= bytes.count
    return bytes
  }
}
