/// Cuts one piece into tokens as BPE does: begins with single bytes and merges, again and again, the
/// neighbours that together have the lowest rank, the first of equals.
///
/// The memory it works in is kept from piece to piece.
struct PairMerger: ~Copyable {
  /// Longer pieces go to a heap: looking at all pairs for each merge costs the square of the length.
  private static let scanLimit = 128

  private let table: TokenTable
  /// Where the parts begin, and the end of the last.
  private let starts: UnsafeMutablePointer<Int32>
  /// Of each part and the next one together.
  private let ranks: UnsafeMutablePointer<UInt32>

  init(_ table: TokenTable) {
    self.table = table
    starts = .allocate(capacity: Self.scanLimit &+ 2)
    ranks = .allocate(capacity: Self.scanLimit &+ 2)
    ranks.initialize(repeating: TokenTable.none, count: Self.scanLimit &+ 2)
  }

  deinit {
    starts.deallocate()
    ranks.deallocate()
  }

  /// Calls `take` with the start and end of each token of the piece, in order.
  /// - Parameter readable: Bytes that may be read from `piece` on, at least `count`.
  /// - Returns: How many tokens.
  @inline(__always)
  func merge(
    _ piece: UnsafePointer<UInt8>, _ count: Int, readable: Int, take: (Int, Int) -> Void
  ) -> Int {
    guard count <= Self.scanLimit else {
      var heap = MergeHeap(table, piece, count, readable: readable)
      let parts = heap.mergeAll()
      var start = 0
      while start < count {
        let end = heap.endOfPart(at: start)
        take(start, end)
        start = end
      }
      return parts
    }
    let parts = mergeByScanning(piece, count, readable: readable)
    for index in 0..<parts { take(Int(starts[index]), Int(starts[index &+ 1])) }
    return parts
  }

  /// - Returns: How many parts are left in `starts`.
  private func mergeByScanning(
    _ piece: UnsafePointer<UInt8>, _ count: Int, readable: Int
  ) -> Int {
    func rank(_ start: Int32, _ end: Int32) -> UInt32 {
      table.rank(piece + Int(start), Int(end &- start), readable: readable &- Int(start))
    }
    var parts = count
    for index in 0...count { starts[index] = Int32(truncatingIfNeeded: index) }
    for index in 0..<max(count &- 1, 0) { ranks[index] = table.rank(ofPair: piece + index) }
    while parts > 1 {
      var best = 0
      for index in 1..<max(parts &- 1, 1) where ranks[index] < ranks[best] { best = index }
      guard ranks[best] != TokenTable.none else { break }
      // The next part becomes part of this one.
      for index in (best &+ 1)..<parts {
        starts[index] = starts[index &+ 1]
        ranks[index] = ranks[index &+ 1]
      }
      parts &-= 1
      if best &+ 1 < parts { ranks[best] = rank(starts[best], starts[best &+ 2]) }
      if best > 0 { ranks[best &- 1] = rank(starts[best &- 1], starts[best &+ 1]) }
    }
    return parts
  }
}
