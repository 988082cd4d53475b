extension JSONText {
  /// Whether the text is `literal`. Inlined, so that a literal becomes a few constants: a name is
  /// compared in two instructions per eight bytes.
  @inlinable @inline(__always)
  package func matches(_ literal: StaticString) -> Bool {
    let expected = JSONText(
      base: UnsafeRawPointer(literal.utf8Start), count: literal.utf8CodeUnitCount)
    guard count == expected.count else { return false }
    var difference: UInt64 = 0
    var index = 0
    while index &+ 8 <= expected.count {
      difference |= word(at: index) ^ expected.word(at: index)
      index &+= 8
    }
    if index < expected.count {
      if expected.count >= 8 {
        // Overlaps the word before, so that no byte is compared alone.
        let last = expected.count &- 8
        difference |= word(at: last) ^ expected.word(at: last)
      } else {
        while index < expected.count {
          difference |= UInt64(self[index] ^ expected[index])
          index &+= 1
        }
      }
    }
    return difference == 0
  }
}
