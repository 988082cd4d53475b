/// The ranks of all tokens of two bytes, by the bytes.
final class PairRanks: @unchecked Sendable {
  static let count = 1 << 16
  let base: UnsafeMutablePointer<UInt32>

  init() {
    base = .allocate(capacity: Self.count)
    base.initialize(repeating: TokenTable.none, count: Self.count)
  }

  deinit { base.deallocate() }

  func insert(_ pair: UnsafePointer<UInt8>, _ rank: UInt32) {
    base[Int(pair[0]) | Int(pair[1]) &<< 8] = rank
  }
}
