/// How many tokens the pieces had that were merged last: words that are no tokens themselves come again
/// in the same text. A piece replaces the one that was in its place.
struct PieceCache: ~Copyable {
  /// Longer pieces are not kept.
  static let pieceLimit = 24

  private struct Entry {
    var first: UInt64 = 0
    var second: UInt64 = 0
    var third: UInt64 = 0
    var length: UInt32 = 0
    var count: UInt32 = 0
  }

  /// A power of two; 128 KiB.
  private static let size = 4096
  private let entries: UnsafeMutablePointer<Entry>

  init() {
    entries = .allocate(capacity: Self.size)
    entries.initialize(repeating: Entry(), count: Self.size)
  }

  deinit { entries.deallocate() }

  /// The piece's count, from the cache or from `merge`.
  @inline(__always)
  func count(
    of piece: UnsafePointer<UInt8>, _ length: Int, readable: Int, _ merge: () -> Int
  ) -> Int {
    guard length <= Self.pieceLimit else { return merge() }
    var entry = Self.key(piece, length, readable: readable)
    let place = entries + Self.place(entry)
    if place.pointee.first == entry.first, place.pointee.second == entry.second,
      place.pointee.third == entry.third, place.pointee.length == entry.length
    {
      return Int(place.pointee.count)
    }
    entry.count = UInt32(truncatingIfNeeded: merge())
    place.pointee = entry
    return Int(entry.count)
  }

  /// The bytes, padded with zeros, and the length that tells those from NUL bytes.
  @inline(__always)
  private static func key(
    _ piece: UnsafePointer<UInt8>, _ length: Int, readable: Int
  ) -> Entry {
    var entry = Entry()
    entry.length = UInt32(truncatingIfNeeded: length)
    entry.first = TokenKey.bytes(piece, min(length, 8), readable: readable)
    guard length > 8 else { return entry }
    entry.second = TokenKey.bytes(piece + 8, min(length &- 8, 8), readable: readable &- 8)
    guard length > 16 else { return entry }
    entry.third = TokenKey.bytes(piece + 16, length &- 16, readable: readable &- 16)
    return entry
  }

  @inline(__always)
  private static func place(_ entry: Entry) -> Int {
    let mixed = TokenKey.mixed(
      entry.first ^ TokenKey.mixed(entry.second ^ TokenKey.mixed(entry.third)))
    return Int(truncatingIfNeeded: mixed) & (size &- 1)
  }
}
