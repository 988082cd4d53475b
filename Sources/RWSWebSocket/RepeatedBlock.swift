/// A DEFLATE block that says nothing but "the same as so many bytes before", again and again (RFC 1951 §3.2.6).
///
/// A request begins like the one before it on its connection: the same instructions, the same tools. zlib looks for that
/// byte by byte, among all places that begin alike, and takes the first that is good enough; here it is known.
struct RepeatedBlock {
  /// The longest match there is.
  static let matchBytes = 258
  /// Below this zlib does as well.
  static let countMin = 4 * matchBytes

  private let matches: Int
  private let distance: Int

  /// nil: a window from which nothing can be repeated that far back.
  /// - Parameter distance: From each byte of the message back to the one that it equals.
  init?(repeating count: Int, distance: Int) {
    guard count >= Self.countMin, (2...32_768).contains(distance) else { return nil }
    matches = count / Self.matchBytes
    self.distance = distance
  }

  /// Of the message: whole matches.
  var coveredBytes: Int { matches * Self.matchBytes }

  /// Enough for `write`.
  var bytesMax: Int { matches * 4 + 8 }

  /// The block, and an empty stored one behind it, which ends at a byte's boundary as zlib's next begins at one.
  func write(to memory: UnsafeMutableRawBufferPointer) -> Int {
    var bits = BitWriter(memory)
    bits.write(0b010, count: 3)
    let match = Self.match(distance)
    for _ in 0..<matches { bits.write(match.bits, count: match.count) }
    // The end of the block, 256.
    bits.write(0, count: 7)
    bits.write(0, count: 3)
    bits.fillByte()
    bits.write(0xFFFF_0000, count: 32)
    return bits.byteCount
  }

  /// Length 258 is 285, eight bits without extra ones. Codes are written from their highest bit on, extra bits from
  /// their lowest.
  private static func match(_ distance: Int) -> (bits: UInt64, count: Int) {
    let length: UInt64 = 0b1010_0011
    let value = UInt64(distance - 1)
    // Two codes for each power of two (§3.2.5), told apart by the bit below the highest.
    let exponent = max(1, 63 - value.leadingZeroBitCount)
    let extraCount = exponent - 1
    let code = value < 2 ? value : UInt64(2 * exponent) + value >> UInt64(extraCount) & 1
    let extra = value & (1 << UInt64(extraCount) - 1)
    let reversed = (0..<5).reduce(0 as UInt64) { $0 << 1 | code >> UInt64($1) & 1 }
    return (length | reversed << 8 | extra << 13, 13 + extraCount)
  }
}

/// Bits into bytes, the lowest first (RFC 1951 §3.1.1).
private struct BitWriter {
  private let memory: UnsafeMutableRawBufferPointer
  private var pending: UInt64 = 0
  private var pendingCount = 0
  private(set) var byteCount = 0

  init(_ memory: UnsafeMutableRawBufferPointer) { self.memory = memory }

  /// - Parameter count: At most 32.
  mutating func write(_ bits: UInt64, count: Int) {
    pending |= bits << UInt64(pendingCount)
    pendingCount += count
    while pendingCount >= 8 { endByte() }
  }

  mutating func fillByte() {
    if pendingCount > 0 { endByte() }
  }

  private mutating func endByte() {
    guard byteCount < memory.count else { return }
    memory[byteCount] = UInt8(truncatingIfNeeded: pending)
    byteCount += 1
    pending >>= 8
    pendingCount = max(0, pendingCount - 8)
  }
}
