/// SplitMix64: for spreading in time, not for secrets. Its seed is an argument, so that a simulation repeats itself.
struct RandomSource {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }

  /// From 0 to `limit`, both included.
  mutating func next(upTo limit: Int64) -> Int64 {
    guard limit > 0 else { return 0 }
    return Int64(next().multipliedFullWidth(by: UInt64(limit) + 1).high)
  }
}
