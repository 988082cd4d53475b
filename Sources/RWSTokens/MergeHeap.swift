/// BPE of a long piece: its parts as a linked list, the merges to come in a heap with the lowest rank,
/// and then the first, on top. Time n log n; 28 bytes for each byte of the piece while it lasts.
struct MergeHeap: ~Copyable {
  /// What begins at a byte of the piece: the parts beside it, and the rank of it and the next together.
  private struct Part {
    var previous: Int32
    var next: Int32
    var rank: UInt32
  }

  private let table: TokenTable
  private let piece: UnsafePointer<UInt8>
  private let count: Int
  private let readable: Int
  private let parts: UnsafeMutablePointer<Part>
  /// A rank above, the start of the first of two parts below. A merge that is overtaken by another stays
  /// until it is on top: then the rank is no longer that of the part.
  private let heap: UnsafeMutablePointer<UInt64>
  private var heapCount = 0

  /// - Parameter count: At most `Tokenizer.pieceByteLimit`.
  init(_ table: TokenTable, _ piece: UnsafePointer<UInt8>, _ count: Int, readable: Int) {
    self.table = table
    self.piece = piece
    self.count = count
    self.readable = readable
    parts = .allocate(capacity: count &+ 1)
    // One for each pair, and one more for each merge: it takes one off and puts two on.
    heap = .allocate(capacity: 2 &* count &+ 2)
    for index in 0...count {
      let start = Int32(truncatingIfNeeded: index)
      (parts + index).initialize(
        to: Part(previous: start &- 1, next: start &+ 1, rank: TokenTable.none))
    }
    for index in 0..<count { rankAgain(index) }
    for index in stride(from: heapCount / 2, through: 0, by: -1) { siftDown(from: index) }
  }

  deinit {
    parts.deallocate()
    heap.deallocate()
  }

  /// - Returns: How many parts are left.
  mutating func mergeAll() -> Int {
    var left = count
    while let top = takeTop() {
      let start = Int(top & 0xFFFF_FFFF)
      let rank = UInt32(truncatingIfNeeded: top &>> 32)
      guard parts[start].rank == rank else { continue }
      let merged = Int(parts[start].next)
      let next = parts[merged].next
      parts[merged].rank = TokenTable.none
      parts[start].next = next
      if Int(next) < count { parts[Int(next)].previous = Int32(truncatingIfNeeded: start) }
      left &-= 1
      rankAgain(start, sifting: true)
      if start > 0 { rankAgain(Int(parts[start].previous), sifting: true) }
    }
    return left
  }

  /// The part that begins at `start` ends where the next one begins.
  func endOfPart(at start: Int) -> Int { Int(parts[start].next) }

  private mutating func rankAgain(_ start: Int, sifting: Bool = false) {
    let next = Int(parts[start].next)
    guard next < count else {
      parts[start].rank = TokenTable.none
      return
    }
    let end = Int(parts[next].next)
    let rank = table.rank(piece + start, end &- start, readable: readable &- start)
    parts[start].rank = rank
    guard rank != TokenTable.none else { return }
    heap[heapCount] = UInt64(rank) &<< 32 | UInt64(truncatingIfNeeded: start)
    heapCount &+= 1
    if sifting { siftUp(from: heapCount &- 1) }
  }

  private mutating func takeTop() -> UInt64? {
    guard heapCount > 0 else { return nil }
    let top = heap[0]
    heapCount &-= 1
    heap[0] = heap[heapCount]
    siftDown(from: 0)
    return top
  }

  private func siftUp(from start: Int) {
    var index = start
    let value = heap[index]
    while index > 0 {
      let parent = (index &- 1) / 2
      guard value < heap[parent] else { break }
      heap[index] = heap[parent]
      index = parent
    }
    heap[index] = value
  }

  private func siftDown(from start: Int) {
    guard start < heapCount else { return }
    var index = start
    let value = heap[index]
    while true {
      var child = 2 &* index &+ 1
      guard child < heapCount else { break }
      if child &+ 1 < heapCount, heap[child &+ 1] < heap[child] { child &+= 1 }
      guard heap[child] < value else { break }
      heap[index] = heap[child]
      index = child
    }
    heap[index] = value
  }
}
