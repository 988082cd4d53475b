/// How pieces of text are looked up: up to seven bytes as a word that says everything, longer ones by
/// a hash.
enum TokenKey {
  static let wordLength = 7

  /// The bytes and the count on top: no two pieces have the same, and none has 0.
  @inline(__always)
  static func word(_ piece: UnsafePointer<UInt8>, _ count: Int, readable: Int) -> UInt64 {
    bytes(piece, count, readable: readable) | UInt64(truncatingIfNeeded: count) &<< 56
  }

  /// One byte to eight, the first lowest.
  /// - Parameter readable: Bytes that may be read from `piece` on, at least `count`.
  @inline(__always)
  static func bytes(_ piece: UnsafePointer<UInt8>, _ count: Int, readable: Int) -> UInt64 {
    if readable >= 8 {
      let unused = UInt64(truncatingIfNeeded: 64 &- count &* 8)
      return load(piece) & (UInt64.max &>> unused)
    }
    var word: UInt64 = 0
    for index in 0..<count {
      word |= UInt64(piece[index]) &<< UInt64(truncatingIfNeeded: index &* 8)
    }
    return word
  }

  /// Of eight bytes or more.
  @inline(__always)
  static func hash(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
    var hash = UInt64(truncatingIfNeeded: count) &* 0x9E37_79B9_7F4A_7C15
    var index = 0
    repeat {
      hash = (hash ^ load(bytes + index)) &* 0xD6E8_FEB8_6659_FD93
      hash ^= hash &>> 32
      index &+= 8
    } while index &+ 8 <= count
    // The last eight, some of which have been taken already.
    return mixed(hash ^ load(bytes + (count &- 8)))
  }

  /// Spreads over all bits.
  @inline(__always)
  static func mixed(_ word: UInt64) -> UInt64 {
    let product = word &* 0x9E37_79B9_7F4A_7C15
    return product ^ product &>> 32
  }

  @inline(__always)
  private static func load(_ bytes: UnsafePointer<UInt8>) -> UInt64 {
    UInt64(littleEndian: UnsafeRawPointer(bytes).loadUnaligned(as: UInt64.self))
  }
}
