/// Incremental UTF-8 validation (RFC 3629, RFC 6455 §8.1): bytes may arrive cut anywhere, and the first
/// byte that cannot be part of valid UTF-8 is refused when it is seen, not at the end of the message.
package struct UTF8Validator: Equatable, Sendable {
  /// Continuation bytes still owed, and the range of the next one. The range is narrower than 0x80...0xBF
  /// only after E0, ED, F0 and F4: that excludes overlong forms, surrogates and code points past U+10FFFF.
  private var owed: UInt8 = 0
  private var lowest: UInt8 = 0x80
  private var highest: UInt8 = 0xBF

  package init() {}

  /// Whether the bytes so far end between two characters.
  package var isComplete: Bool { owed == 0 }

  package static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var validator = UTF8Validator()
    return validator.accept(bytes) && validator.isComplete
  }

  /// False at the first invalid byte; the validator is of no use after that.
  package mutating func accept(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let base = bytes.baseAddress else { return true }
    let count = bytes.count
    var at = 0
    var owed = owed
    var lowest = lowest
    var highest = highest
    while at < count {
      if owed == 0 {
        at = Self.skipASCII(base, from: at, to: count)
        at = Self.skipPlainSequences(base, from: at, to: count)
        if at == count { break }
        let lead = base.load(fromByteOffset: at, as: UInt8.self)
        at &+= 1
        switch lead {
        case 0x00...0x7F: break
        case 0xC2...0xDF: owed = 1
        case 0xE0:
          owed = 2
          lowest = 0xA0
        case 0xED:
          owed = 2
          highest = 0x9F
        case 0xE1...0xEF: owed = 2
        case 0xF0:
          owed = 3
          lowest = 0x90
        case 0xF1...0xF3: owed = 3
        case 0xF4:
          owed = 3
          highest = 0x8F
        default: return false
        }
      } else {
        let byte = base.load(fromByteOffset: at, as: UInt8.self)
        guard byte >= lowest, byte <= highest else { return false }
        owed &-= 1
        lowest = 0x80
        highest = 0xBF
        at &+= 1
      }
    }
    self.owed = owed
    self.lowest = lowest
    self.highest = highest
    return true
  }

  /// The index of the first byte that is not ASCII, in words of eight where there are eight.
  @inline(__always)
  private static func skipASCII(_ base: UnsafeRawPointer, from: Int, to count: Int) -> Int {
    let high: UInt64 = 0x8080_8080_8080_8080
    var at = from
    while at &+ 32 <= count {
      let a = base.loadUnaligned(fromByteOffset: at, as: UInt64.self)
      let b = base.loadUnaligned(fromByteOffset: at &+ 8, as: UInt64.self)
      let c = base.loadUnaligned(fromByteOffset: at &+ 16, as: UInt64.self)
      let d = base.loadUnaligned(fromByteOffset: at &+ 24, as: UInt64.self)
      if (a | b | c | d) & high != 0 { break }
      at &+= 32
    }
    while at &+ 8 <= count {
      let word = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: at, as: UInt64.self))
      let outside = word & high
      if outside != 0 { return at &+ outside.trailingZeroBitCount / 8 }
      at &+= 8
    }
    while at < count, base.load(fromByteOffset: at, as: UInt8.self) < 0x80 { at &+= 1 }
    return at
  }

  /// Past whole characters of two or three bytes whose second byte has no narrower range: most of what is
  /// not ASCII. It stops at everything else, right or wrong, and leaves the judgement to `accept`.
  @inline(__always)
  private static func skipPlainSequences(
    _ base: UnsafeRawPointer, from: Int, to count: Int
  ) -> Int {
    var at = from
    while at &+ 4 <= count {
      let word = UInt32(littleEndian: base.loadUnaligned(fromByteOffset: at, as: UInt32.self))
      let lead = UInt8(truncatingIfNeeded: word)
      if lead & 0xF0 == 0xE0, lead != 0xE0, lead != 0xED, word & 0xC0_C000 == 0x80_8000 {
        at &+= 3
      } else if lead & 0xE0 == 0xC0, lead >= 0xC2, word & 0xC000 == 0x8000 {
        at &+= 2
      } else {
        break
      }
    }
    return at
  }
}
