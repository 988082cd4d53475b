/// Searches over eight bytes at a time. 64-bit words rather than SIMD types: those were measured ten
/// times slower at the baseline CPU.
///
/// In each word the lowest flagged byte is exact; a borrow may flag bytes above it.
extension JSONText {
  @usableFromInline static var ones: UInt64 { 0x0101_0101_0101_0101 }
  @usableFromInline static var highBits: UInt64 { 0x8080_8080_8080_8080 }

  /// The first byte at or after `start` that is not plain in a JSON string: a quote, a backslash, a
  /// control character, or part of a character beyond ASCII. `count` if there is none.
  @inlinable @inline(__always)
  func endOfPlainRun(from start: Int) -> Int {
    firstFlagged(from: start) { word in
      let quotes = word ^ (Self.ones &* UInt64(UInt8(ascii: "\"")))
      let backslashes = word ^ (Self.ones &* UInt64(UInt8(ascii: "\\")))
      let below = (word &- Self.ones &* 0x20) | (quotes &- Self.ones) | (backslashes &- Self.ones)
      return (below | word) & Self.highBits
    }
  }

  /// The first backslash at or after `start`; `count` if there is none.
  func firstBackslash(from start: Int) -> Int {
    firstFlagged(from: start) { word in
      let backslashes = word ^ (Self.ones &* UInt64(ASCII.backslash))
      return (backslashes &- Self.ones) & ~backslashes & Self.highBits
    }
  }

  @inlinable @inline(__always)
  func firstFlagged(from start: Int, _ flags: (UInt64) -> UInt64) -> Int {
    var index = start
    while index &+ 8 <= count {
      let found = flags(UInt64(littleEndian: word(at: index)))
      if found != 0 { return index &+ found.trailingZeroBitCount &>> 3 }
      index &+= 8
    }
    guard index < count else { return count }
    // The rest is padded with zero bytes: if they are flagged, they lie past the end.
    let found = flags(tail(from: index))
    return found == 0 ? count : min(count, index &+ found.trailingZeroBitCount &>> 3)
  }

  /// The last bytes, fewer than eight, as the low bytes of a word.
  @usableFromInline
  func tail(from start: Int) -> UInt64 {
    var word: UInt64 = 0
    var index = count
    while index > start {
      index &-= 1
      word = word &<< 8 | UInt64(self[index])
    }
    return word
  }
}
