extension JSONText {
  /// Whether the bytes from `start` on are those of `other` from `otherStart` up to `otherEnd`. False if
  /// either text is too short.
  @inlinable @inline(__always)
  package func hasBytes(
    at start: Int, of other: JSONText, from otherStart: Int, to otherEnd: Int
  ) -> Bool {
    let length = otherEnd &- otherStart
    guard length >= 0, start >= 0, otherStart >= 0, otherEnd <= other.count,
      length <= count &- start
    else { return false }
    var difference: UInt64 = 0
    var index = 0
    while index &+ 16 <= length {
      difference |= word(at: start &+ index) ^ other.word(at: otherStart &+ index)
      difference |= word(at: start &+ index &+ 8) ^ other.word(at: otherStart &+ index &+ 8)
      index &+= 16
    }
    if index &+ 8 <= length {
      difference |= word(at: start &+ index) ^ other.word(at: otherStart &+ index)
      index &+= 8
    }
    let end = start &+ length
    if index < length, end >= 8, otherEnd >= 8 {
      // The words that end where the ranges end, without what lies before the rest.
      let last = UInt64(littleEndian: word(at: end &- 8) ^ other.word(at: otherEnd &- 8))
      difference |= last &>> UInt64(truncatingIfNeeded: (index &+ 8 &- length) &* 8)
      index = length
    }
    while index < length {
      difference |= UInt64(self[start &+ index] ^ other[otherStart &+ index])
      index &+= 1
    }
    return difference == 0
  }

  /// The value of the digits from `start` on and where they end; nil if they are no JSON integer, or more
  /// than eighteen.
  @inlinable @inline(__always)
  package func digits(at start: Int) -> (value: Int64, end: Int)? {
    var value: Int64 = 0
    var index = start
    let limit = min(count, start &+ 18)
    while index < limit, self[index] &- UInt8(ascii: "0") <= 9 {
      value = value &* 10 &+ Int64(self[index] &- UInt8(ascii: "0"))
      index &+= 1
    }
    guard index > start, index == start &+ 1 || self[start] != UInt8(ascii: "0") else { return nil }
    return (value, index)
  }
}
