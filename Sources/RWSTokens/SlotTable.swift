/// A hash table with open addressing that is filled once: 64 bits of key and 32 of value to a slot,
/// at most two thirds of them taken.
final class SlotTable: @unchecked Sendable {
  /// A power of two, less one.
  let mask: Int
  /// Twelve bytes each, the key first; a key of 0 is a free slot.
  let slots: UnsafeMutableRawPointer
  static let stride = 12

  var byteCount: Int { (mask &+ 1) &* Self.stride }

  init(for count: Int) {
    var capacity = 2
    while capacity &* 2 < count &* 3 &+ 2 { capacity &*= 2 }
    mask = capacity &- 1
    slots = .allocate(byteCount: capacity &* Self.stride, alignment: 4)
    slots.initializeMemory(as: UInt8.self, repeating: 0, count: capacity &* Self.stride)
  }

  deinit { slots.deallocate() }

  /// For as many keys as the table was made for: one slot at least stays free.
  func insert(_ key: UInt64, _ value: UInt32, hash: UInt64) {
    var index = Int(truncatingIfNeeded: hash) & mask
    while self.key(at: index) != 0 { index = (index &+ 1) & mask }
    slots.storeBytes(of: key, toByteOffset: index &* Self.stride, as: UInt64.self)
    slots.storeBytes(of: value, toByteOffset: index &* Self.stride &+ 8, as: UInt32.self)
  }

  private func key(at index: Int) -> UInt64 {
    slots.loadUnaligned(fromByteOffset: index &* Self.stride, as: UInt64.self)
  }
}
