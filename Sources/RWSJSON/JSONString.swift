/// What the content of a JSON string stands for.
///
/// Surrogate pairs become one character. A lone surrogate, legal in JSON but not in UTF-8, becomes
/// its three-byte form (WTF-8) or, where a valid `String` is wanted, U+FFFD. `\u0000` is a NUL byte.
package enum JSONString {
  package enum LoneSurrogates: Sendable { case kept, replaced }

  /// Unescapes `content` (between the quotes) into `destination`, which must hold `content.count`
  /// bytes: unescaping never lengthens. A backslash that begins no valid escape is copied.
  /// - Returns: Bytes written.
  package static func decode(
    _ content: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer,
    loneSurrogates: LoneSurrogates = .kept
  ) -> Int {
    guard destination.count >= content.count else { return 0 }
    let text = JSONText(content)
    var read = 0
    var written = 0
    while read < content.count {
      let escapeStart = text.firstBackslash(from: read)
      let run = UnsafeRawBufferPointer(rebasing: content[read..<escapeStart])
      UnsafeMutableRawBufferPointer(rebasing: destination[written...]).copyMemory(from: run)
      written &+= run.count
      read = escapeStart
      guard read < content.count else { break }
      guard let escape = JSONEscape(in: text, at: read) else {
        destination[written] = content[read]
        written &+= 1
        read &+= 1
        continue
      }
      read &+= escape.length
      var scalar = UInt32(escape.unit)
      if escape.isHighSurrogate, let low = JSONEscape(in: text, at: read), low.isLowSurrogate {
        read &+= low.length
        scalar = 0x10000 &+ (scalar & 0x3FF) << 10 | UInt32(low.unit & 0x3FF)
      } else if escape.isHighSurrogate || escape.isLowSurrogate, loneSurrogates == .replaced {
        scalar = 0xFFFD
      }
      written &+= encode(scalar, into: destination, at: written)
    }
    return written
  }

  package static func decode(
    _ content: UnsafeRawBufferPointer, loneSurrogates: LoneSurrogates = .kept
  ) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: content.count) { buffer, count in
      count = decode(
        content, into: UnsafeMutableRawBufferPointer(buffer), loneSurrogates: loneSurrogates)
    }
  }

  /// UTF-8, and WTF-8 for surrogates. The caller has room: no escape is shorter than its bytes.
  private static func encode(
    _ scalar: UInt32, into destination: UnsafeMutableRawBufferPointer, at index: Int
  ) -> Int {
    func tail(_ shift: UInt32) -> UInt8 { 0x80 | UInt8(truncatingIfNeeded: scalar >> shift & 0x3F) }
    func lead(_ mark: UInt8, _ shift: UInt32) -> UInt8 {
      mark | UInt8(truncatingIfNeeded: scalar >> shift)
    }
    if scalar < 0x80 {
      destination[index] = UInt8(truncatingIfNeeded: scalar)
      return 1
    }
    if scalar < 0x800 {
      destination[index] = lead(0xC0, 6)
      destination[index &+ 1] = tail(0)
      return 2
    }
    if scalar < 0x10000 {
      destination[index] = lead(0xE0, 12)
      destination[index &+ 1] = tail(6)
      destination[index &+ 2] = tail(0)
      return 3
    }
    destination[index] = lead(0xF0, 18)
    destination[index &+ 1] = tail(12)
    destination[index &+ 2] = tail(6)
    destination[index &+ 3] = tail(0)
    return 4
  }
}
