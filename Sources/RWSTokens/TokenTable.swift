/// Looks pieces of text up among the tokens. Tokens of up to seven bytes (most, and nearly all that
/// are asked for) lie in their slots; longer ones in one run of bytes, two of count before each.
///
/// A view: it owns nothing, and is valid while its vocabulary lives.
struct TokenTable {
  /// The rank of what is no token.
  static let none = UInt32.max

  private let shortSlots: UnsafeRawPointer
  private let shortMask: Int
  private let longSlots: UnsafeRawPointer
  private let longMask: Int
  private let bytes: UnsafePointer<UInt8>
  private let pairs: UnsafePointer<UInt32>
  let longestToken: Int

  init(
    short: SlotTable, long: SlotTable, bytes: UnsafePointer<UInt8>, pairs: UnsafePointer<UInt32>,
    longestToken: Int
  ) {
    shortSlots = UnsafeRawPointer(short.slots)
    shortMask = short.mask
    longSlots = UnsafeRawPointer(long.slots)
    longMask = long.mask
    self.bytes = bytes
    self.pairs = pairs
    self.longestToken = longestToken
  }

  /// - Parameter readable: Bytes that may be read from `piece` on, at least `count`.
  @inline(__always)
  func rank(_ piece: UnsafePointer<UInt8>, _ count: Int, readable: Int) -> UInt32 {
    if count <= TokenKey.wordLength {
      return rank(ofWord: TokenKey.word(piece, count, readable: readable))
    }
    return count <= longestToken ? rankOfLong(piece, count) : Self.none
  }

  @inline(__always)
  func isToken(_ piece: UnsafePointer<UInt8>, _ count: Int, readable: Int) -> Bool {
    rank(piece, count, readable: readable) != Self.none
  }

  /// Of two bytes, which merging begins with.
  @inline(__always)
  func rank(ofPair pair: UnsafePointer<UInt8>) -> UInt32 {
    pairs[Int(pair[0]) | Int(pair[1]) &<< 8]
  }

  @inline(__always)
  private func rank(ofWord word: UInt64) -> UInt32 {
    var index = Int(truncatingIfNeeded: TokenKey.mixed(word)) & shortMask
    while true {
      let slot = shortSlots + index &* SlotTable.stride
      let key = slot.loadUnaligned(as: UInt64.self)
      if key == word { return slot.load(fromByteOffset: 8, as: UInt32.self) }
      if key == 0 { return Self.none }
      index = (index &+ 1) & shortMask
    }
  }

  private func rankOfLong(_ piece: UnsafePointer<UInt8>, _ count: Int) -> UInt32 {
    let hash = TokenKey.hash(piece, count)
    var index = Int(truncatingIfNeeded: hash) & longMask
    while true {
      let slot = longSlots + index &* SlotTable.stride
      let key = slot.loadUnaligned(as: UInt64.self)
      if key == 0 { return Self.none }
      if key &>> 32 == hash &>> 32, isToken(at: Int(key & 0xFFFF_FFFF), piece, count) {
        return slot.load(fromByteOffset: 8, as: UInt32.self)
      }
      index = (index &+ 1) & longMask
    }
  }

  @inline(__always)
  private func isToken(at offset: Int, _ piece: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    let token = bytes + offset
    guard Int(token[0]) | Int(token[1]) &<< 8 == count else { return false }
    for index in 0..<count where token[index &+ 2] != piece[index] { return false }
    return true
  }

  /// A long token's key: the upper half of its hash, and where it lies. Offsets begin at 1, so that no key is 0.
  static func key(hash: UInt64, offset: Int) -> UInt64 {
    hash & ~0xFFFF_FFFF | UInt64(UInt32(truncatingIfNeeded: offset))
  }
}
