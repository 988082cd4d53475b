/// One escape of a JSON string (RFC 8259 §7).
struct JSONEscape {
  /// The UTF-16 unit that it stands for: a whole character, or a half of a surrogate pair.
  let unit: UInt16
  /// Bytes that the escape takes: 2 or 6.
  let length: Int

  /// Nil if no valid escape begins at `index`.
  init?(in text: JSONText, at index: Int) {
    guard index &+ 1 < text.count, text[index] == ASCII.backslash else { return nil }
    length = text[index &+ 1] == UInt8(ascii: "u") ? 6 : 2
    switch text[index &+ 1] {
    case ASCII.quote, ASCII.backslash, ASCII.slash: unit = UInt16(text[index &+ 1])
    case UInt8(ascii: "b"): unit = 0x08
    case UInt8(ascii: "f"): unit = 0x0C
    case UInt8(ascii: "n"): unit = 0x0A
    case UInt8(ascii: "r"): unit = 0x0D
    case UInt8(ascii: "t"): unit = 0x09
    case UInt8(ascii: "u"):
      guard index &+ 6 <= text.count else { return nil }
      var value: UInt16 = 0
      for position in (index &+ 2)..<(index &+ 6) {
        guard let digit = Self.hexDigit(text[position]) else { return nil }
        value = value << 4 | digit
      }
      unit = value
    default: return nil
    }
  }

  var isHighSurrogate: Bool { unit & 0xFC00 == 0xD800 }
  var isLowSurrogate: Bool { unit & 0xFC00 == 0xDC00 }

  private static func hexDigit(_ byte: UInt8) -> UInt16? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt16(byte &- UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt16(byte &- UInt8(ascii: "a") &+ 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt16(byte &- UInt8(ascii: "A") &+ 10)
    default: nil
    }
  }
}
