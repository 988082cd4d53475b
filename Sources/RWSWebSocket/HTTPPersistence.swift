/// Whether a connection may carry another request after an answer that was read to its end (RFC 9112 §9.3).
package enum HTTPPersistence: Equatable, Sendable {
  case closes
  /// `seconds`: how long the server waits for the next request, if it says so.
  case keeps(seconds: Int?)

  init(after head: HTTPResponseHead, _ framing: HTTPBodyFraming) {
    // HTTP/1.0 could keep a connection if asked to; not asking is simpler than knowing which of its proxies misread it.
    guard head.start.minorVersion >= 1, framing != .untilEOF,
      !head.fields.list("Connection", contains: "close")
    else {
      self = .closes
      return
    }
    self = .keeps(seconds: head.fields.list("Keep-Alive").compactMap(Self.timeout).min())
  }

  /// Of a member of a Keep-Alive field, which is older than its registration and has no other specification than
  /// RFC 2068 §19.7.1.1: `timeout=5`.
  private static func timeout(_ member: String) -> Int? {
    let parts = member.utf8.split(separator: UInt8(ascii: "="), maxSplits: 1)
    guard parts.count == 2, HTTPSyntax.equalsIgnoringCase(String(Substring(parts[0])), "timeout")
    else { return nil }
    return HTTPSyntax.number(parts[1])
  }
}
