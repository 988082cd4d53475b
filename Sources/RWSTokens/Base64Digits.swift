/// Reads base64 with padding (RFC 4648 §4).
enum Base64Digits {
  /// - Parameters:
  ///   - text: A multiple of four in length.
  ///   - bytes: Has room for three bytes for each four digits.
  /// - Returns: Bytes written; nil if `text` is not strict base64.
  static func decode(_ text: UnsafeRawBufferPointer, into bytes: UnsafeMutablePointer<UInt8>) -> Int? {
    let padding = text.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
    var bits: UInt32 = 0
    var bitCount: UInt32 = 0
    var written = 0
    for byte in text.dropLast(padding) {
      guard let digit = value(of: byte) else { return nil }
      bits = bits &<< 6 | digit
      bitCount &+= 6
      guard bitCount >= 8 else { continue }
      bitCount &-= 8
      bytes[written] = UInt8(truncatingIfNeeded: bits &>> bitCount)
      written &+= 1
    }
    return written
  }

  private static func value(of digit: UInt8) -> UInt32? {
    switch digit {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit &- UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit &- UInt8(ascii: "a")) &+ 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit &- UInt8(ascii: "0")) &+ 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
