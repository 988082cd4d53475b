/// The bytes of the tokens that are too long for a slot, one after the other, two bytes of count
/// before each. Offset 0 is nobody's.
final class LongTokens: @unchecked Sendable {
  let base: UnsafeMutablePointer<UInt8>
  let capacity: Int
  private var end = 1

  init(count: Int, bytes: Int) {
    capacity = 1 &+ bytes &+ 2 &* count
    base = .allocate(capacity: capacity)
    base.initialize(repeating: 0, count: capacity)
  }

  deinit { base.deallocate() }

  /// - Returns: Where the count of the token lies; 0 if there is no room.
  func append(_ token: UnsafeBufferPointer<UInt8>) -> Int {
    guard let source = token.baseAddress, capacity &- end >= token.count &+ 2 else { return 0 }
    let offset = end
    base[offset] = UInt8(truncatingIfNeeded: token.count)
    base[offset &+ 1] = UInt8(truncatingIfNeeded: token.count &>> 8)
    (base + (offset &+ 2)).update(from: source, count: token.count)
    end &+= token.count &+ 2
    return offset
  }
}
