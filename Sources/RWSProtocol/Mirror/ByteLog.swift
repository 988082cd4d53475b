/// Bytes that are only ever appended to, in blocks that never move: growing costs no copy of what is there, and a
/// copy of the log (a snapshot) shares the blocks.
///
/// `@unchecked Sendable`: what a snapshot can see of a block is never written again; appending writes behind it.
/// Of several copies only one may append, the others only after `seal`.
struct ByteLog: @unchecked Sendable {
  private final class Block {
    let memory: UnsafeMutableRawBufferPointer

    init(byteCount: Int) {
      memory = .allocate(byteCount: byteCount, alignment: 8)
    }

    deinit { memory.deallocate() }
  }

  private var blocks: [Block] = []
  /// Where each block's bytes begin.
  private var starts: [Int] = []
  private(set) var count = 0
  /// The last block's free bytes are another copy's.
  private var isSealed = false

  private static let blockBytesMin = 4 << 10
  private static let blockBytesMax = 1 << 20

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    var rest = bytes[...]
    while !rest.isEmpty {
      if free == 0 { addBlock(for: rest.count) }
      guard let block = blocks.last, let start = starts.last else { return }
      let piece = rest.prefix(free)
      let target = UnsafeMutableRawBufferPointer(
        rebasing: block.memory[(count - start)..<(count - start + piece.count)])
      target.copyMemory(from: UnsafeRawBufferPointer(rebasing: piece))
      count += piece.count
      rest = rest.dropFirst(piece.count)
    }
  }

  mutating func append(_ bytes: some Collection<UInt8>) {
    if bytes.withContiguousStorageIfAvailable({ append(UnsafeRawBufferPointer($0)) }) == nil {
      Array(bytes).withUnsafeBytes { append($0) }
    }
  }

  /// Forgets what is behind the first `count` bytes. Snapshots that were taken before keep it.
  mutating func truncate(to count: Int) {
    guard count < self.count else { return }
    while let start = starts.last, start >= count {
      blocks.removeLast()
      starts.removeLast()
    }
    self.count = count
    guard let block = blocks.popLast(), let start = starts.popLast() else { return }
    // What is appended next must not overwrite what a snapshot still shows.
    self.count = start
    isSealed = true
    append(UnsafeRawBufferPointer(rebasing: block.memory[..<(count - start)]))
  }

  /// From now on this copy and the one that it was made from may both append.
  mutating func seal() { isSealed = true }

  private var free: Int {
    guard !isSealed, let block = blocks.last, let start = starts.last else { return 0 }
    return block.memory.count - (count - start)
  }

  /// In proportion to what is there, so that little of the memory is unused.
  private mutating func addBlock(for needed: Int) {
    let share = max(Self.blockBytesMin, min(Self.blockBytesMax, count / 16))
    blocks.append(Block(byteCount: max(share, min(needed, Self.blockBytesMax))))
    starts.append(count)
    isSealed = false
  }

  // MARK: Reading

  /// The bytes of `range` (within 0..<count), piece by piece.
  func forEachPiece(_ range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Void) {
    let range = range.clamped(to: 0..<count)
    guard !range.isEmpty else { return }
    var index = block(at: range.lowerBound)
    var position = range.lowerBound
    while position < range.upperBound {
      let end = min(range.upperBound, self.end(of: index))
      let from = position - starts[index]
      body(UnsafeRawBufferPointer(rebasing: blocks[index].memory[from..<(from + end - position)]))
      position = end
      index += 1
    }
  }

  func bytes(_ range: Range<Int>) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(range.count)
    forEachPiece(range) { result.append(contentsOf: $0) }
    return result
  }

  /// How many bytes from the start are the same in `other`.
  func commonPrefix(_ other: UnsafeRawBufferPointer) -> Int {
    var position = 0
    for index in blocks.indices {
      let length = min(end(of: index), other.count) - position
      guard length > 0, let ours = blocks[index].memory.baseAddress, let base = other.baseAddress
      else { break }
      let same = commonPrefixLength(ours, base + position, length)
      position += same
      if same < length { break }
    }
    return position
  }

  private func end(of index: Int) -> Int { index + 1 < starts.count ? starts[index + 1] : count }

  private func block(at position: Int) -> Int {
    var low = 0
    var high = starts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= position { low = middle } else { high = middle }
    }
    return low
  }
}

/// As fast as memory delivers: whole pieces by words, the first difference by bytes.
private func commonPrefixLength(
  _ left: UnsafeMutableRawPointer, _ right: UnsafeRawPointer, _ count: Int
) -> Int {
  var position = 0
  while count - position >= 32 {
    var difference: UInt64 = 0
    for offset in stride(from: position, to: position + 32, by: 8) {
      difference |=
        left.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        ^ right.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }
    guard difference == 0 else { break }
    position += 32
  }
  while position < count,
    left.load(fromByteOffset: position, as: UInt8.self)
      == right.load(fromByteOffset: position, as: UInt8.self)
  {
    position += 1
  }
  return position
}
