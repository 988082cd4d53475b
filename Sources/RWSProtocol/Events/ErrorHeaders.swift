import RWSJSON

/// The `headers` object of an error, which stands in for those of an HTTP answer.
struct ErrorHeaders {
  private var retryAfter: Double?
  private var retryAfterMS: Double?
  private(set) var requestID: String?

  init() {}

  init(_ headers: UnsafeRawBufferPointer) {
    readMembers(of: headers) { key, cursor throws(JSONError) in
      // RFC 9110 §5.1: names are case-insensitive.
      switch String(decoding: key.span.decoded(in: key.text).map(Self.lowercased), as: UTF8.self) {
      case "retry-after": retryAfter = Self.amount(try cursor.takeNumberOrText())
      case "retry-after-ms": retryAfterMS = Self.amount(try cursor.takeNumberOrText())
      case "x-request-id": requestID = try cursor.takeText()
      default: _ = try cursor.takeMember()
      }
    }
  }

  /// -1: not told. The finer header counts first, as in the official SDK.
  var retryAfterMilliseconds: Int64 {
    guard let milliseconds = retryAfterMS ?? retryAfter.map({ $0 * 1000 }) else { return -1 }
    return Int64(min(milliseconds, Self.millisecondsMax).rounded(.up))
  }

  /// A hundred years: far beyond any wait, far below overflow.
  private static let millisecondsMax: Double = 100 * 365 * 24 * 3600 * 1000

  /// A decimal number. The date form of Retry-After (RFC 9110 §10.2.3) would need a clock: not told.
  private static func amount(_ text: String?) -> Double? {
    guard let text, text.utf8.count <= 32, let first = text.utf8.first,
      first &- UInt8(ascii: "0") <= 9,
      text.utf8.allSatisfy({ $0 &- UInt8(ascii: "0") <= 9 || $0 == UInt8(ascii: ".") })
    else { return nil }
    return Double(text)
  }

  private static func lowercased(_ byte: UInt8) -> UInt8 {
    byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
  }
}
