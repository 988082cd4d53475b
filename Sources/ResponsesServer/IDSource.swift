/// Makes the ids of responses, items and calls: unguessable if the seed is, the same for the same seed.
package struct IDSource {
  private var state: UInt64

  package init(seed: UInt64) {
    state = seed
  }

  /// `prefix_` and 32 hexadecimal digits.
  mutating func next(_ prefix: String) -> String {
    prefix + "_" + Self.hexadecimal(nextWord()) + Self.hexadecimal(nextWord())
  }

  /// SplitMix64.
  mutating func nextWord() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }

  private static func hexadecimal(_ word: UInt64) -> String {
    let digits = String(word, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
  }
}
