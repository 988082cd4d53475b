/// Which of the open containers are objects: one bit each, so that skipping a value needs neither
/// recursion nor memory.
struct NestingStack {
  private var words = InlineArray<8, UInt64>(repeating: 0)
  private(set) var depth = 0
  static let capacity = 512

  var isInObject: Bool {
    let top = depth &- 1
    guard top >= 0, top < Self.capacity else { return false }
    return words[top >> 6] >> UInt64(top & 63) & 1 == 1
  }

  /// False if the stack is full.
  mutating func push(isObject: Bool) -> Bool {
    guard depth < Self.capacity else { return false }
    let bit: UInt64 = 1 << UInt64(depth & 63)
    if isObject { words[depth >> 6] |= bit } else { words[depth >> 6] &= ~bit }
    depth &+= 1
    return true
  }

  mutating func pop() {
    if depth > 0 { depth &-= 1 }
  }
}
