extension JSONText {
  /// Whether the text is well-formed UTF-8 (RFC 3629 §4).
  package var isUTF8: Bool {
    var index = 0
    while true {
      index = firstFlagged(from: index) { $0 & Self.highBits }
      // Most scripts beyond ASCII come in runs.
      while index < count, self[index] >= 0x80 {
        let length = lengthOfUTF8Sequence(at: index)
        guard length > 0 else { return false }
        index &+= length
      }
      if index >= count { return true }
    }
  }

  /// Length (2 to 4) of the well-formed UTF-8 sequence beyond ASCII that begins at `index`
  /// (RFC 3629 §4); 0 if the bytes there are none.
  func lengthOfUTF8Sequence(at index: Int) -> Int {
    guard index < count else { return 0 }
    let lead = self[index]
    switch lead {
    case 0xC2...0xDF:
      return isContinuation(index &+ 1) ? 2 : 0
    case 0xE0...0xEF:
      guard isContinuation(index &+ 1), isContinuation(index &+ 2) else { return 0 }
      let second = self[index &+ 1]
      let isOverlong = lead == 0xE0 && second < 0xA0
      let isSurrogate = lead == 0xED && second > 0x9F
      return isOverlong || isSurrogate ? 0 : 3
    case 0xF0...0xF4:
      guard isContinuation(index &+ 1), isContinuation(index &+ 2), isContinuation(index &+ 3)
      else { return 0 }
      let second = self[index &+ 1]
      let isOverlong = lead == 0xF0 && second < 0x90
      let isBeyondUnicode = lead == 0xF4 && second > 0x8F
      return isOverlong || isBeyondUnicode ? 0 : 4
    default:
      return 0
    }
  }

  /// The surrogate whose three-byte form (WTF-8) begins at `index`.
  func surrogate(at index: Int) -> UInt16? {
    guard index < count, self[index] == 0xED, isContinuation(index &+ 1),
      isContinuation(index &+ 2), self[index &+ 1] > 0x9F
    else { return nil }
    return 0xD000 | UInt16(self[index &+ 1] & 0x3F) << 6 | UInt16(self[index &+ 2] & 0x3F)
  }

  @inline(__always)
  private func isContinuation(_ index: Int) -> Bool {
    index < count && self[index] & 0xC0 == 0x80
  }
}
