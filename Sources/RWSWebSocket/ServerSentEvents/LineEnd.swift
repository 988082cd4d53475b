/// Finds the end of a line that LF, CR or both may end, eight bytes at a time: most lines are long.
enum LineEnd {
  /// Where the first CR or LF is; nil: there is none.
  static func offset(in bytes: UnsafeRawBufferPointer) -> Int? {
    guard let base = bytes.baseAddress else { return nil }
    let count = bytes.count
    var at = 0
    while count &- at >= 8 {
      let word = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: at, as: UInt64.self))
      let found = zeroBytes(word ^ lineFeeds) | zeroBytes(word ^ carriageReturns)
      // The lowest mark is exact: a borrow only ever goes to the bytes above a true one.
      if found != 0 { return at &+ found.trailingZeroBitCount / 8 }
      at &+= 8
    }
    while at < count {
      let byte = base.load(fromByteOffset: at, as: UInt8.self)
      if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") { return at }
      at &+= 1
    }
    return nil
  }

  private static let ones: UInt64 = 0x0101_0101_0101_0101
  private static let lineFeeds = ones &* UInt64(UInt8(ascii: "\n"))
  private static let carriageReturns = ones &* UInt64(UInt8(ascii: "\r"))

  /// The high bit of each byte that is zero.
  @inline(__always)
  private static func zeroBytes(_ word: UInt64) -> UInt64 {
    (word &- ones) & ~word & (ones &<< 7)
  }
}
