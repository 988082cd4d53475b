import RWSProtocol

/// The events of a turn that its reader has not taken yet.
package struct EventQueue {
  enum Fullness { case hasRoom, isFull, isOverfull }

  package enum Portion { case event, batch }

  struct Taken {
    let batch: EventBatch
    let range: Range<Int>
    /// The queue was full and has room again.
    let makesRoom: Bool
  }

  /// Unread events beyond this many bytes stop the reading from the socket if nothing else comes over it …
  static let bytesMax = 8 << 20
  /// … else the turn goes on until it is given up for its unread events …
  static let bytesLimit = 64 << 20
  /// … until the reader is down to this.
  static let bytesResume = 2 << 20

  private var isFull = false
  private var batches: [EventBatch] = []
  private var nextBatch = 0
  private var nextRecord = 0
  private var bytes = 0
  /// What was taken last: C borrows from it until it takes the next.
  private var lent: EventBatch?

  var fullness: Fullness {
    bytes > Self.bytesLimit ? .isOverfull : isFull ? .isFull : .hasRoom
  }

  var isEmpty: Bool { nextBatch >= batches.count }

  mutating func append(_ batch: EventBatch) {
    batches.append(batch)
    bytes += batch.jsonBytes
    if bytes > Self.bytesMax { isFull = true }
  }

  mutating func take(_ portion: Portion) -> Taken? {
    guard nextBatch < batches.count else { return nil }
    let batch = batches[nextBatch]
    let first = nextRecord
    let end = portion == .event ? first + 1 : batch.records.count
    bytes -= batch.jsonBytes(first..<end)
    if end < batch.records.count { nextRecord = end } else { stepToNextBatch() }
    if lent !== batch { lent = batch }
    let makesRoom = isFull && bytes <= Self.bytesResume
    if makesRoom { isFull = false }
    return Taken(batch: batch, range: first..<end, makesRoom: makesRoom)
  }

  private mutating func stepToNextBatch() {
    nextRecord = 0
    nextBatch += 1
    guard nextBatch == batches.count else { return }
    batches.removeAll(keepingCapacity: true)
    nextBatch = 0
  }

  /// What was lent stays. True if the queue was full.
  mutating func drop() -> Bool {
    let wasFull = isFull
    let kept = lent
    self = EventQueue()
    lent = kept
    return wasFull
  }
}
