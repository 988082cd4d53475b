/// The messages that the kernel has not wholly taken, by their end in the stream of bytes.
struct FlushQueue {
  private var waiting: [(tag: UInt64, end: UInt64)] = []
  private var first = 0

  mutating func append(_ tag: UInt64, end: UInt64) {
    waiting.append((tag, end))
  }

  /// The next tag whose bytes have all been sent.
  mutating func next(sent: UInt64) -> UInt64? {
    guard first < waiting.count, waiting[first].end <= sent else { return nil }
    let tag = waiting[first].tag
    first += 1
    if first == waiting.count {
      waiting.removeAll(keepingCapacity: waiting.capacity <= 16)
      first = 0
    } else if first > 64, first > waiting.count / 2 {
      waiting.removeFirst(first)
      first = 0
    }
    return tag
  }
}
