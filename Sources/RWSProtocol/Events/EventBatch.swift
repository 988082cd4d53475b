import RWSJSON

/// Events of one turn in one piece of memory: the only copy on their way from the socket to the
/// caller. Filled by the machine, published once, read-only from then on; that rule is why it is
/// `@unchecked Sendable`. An `Event` keeps its whole batch (at most one read burst) in memory.
package final class EventBatch: @unchecked Sendable {
  /// Where one event lies; `fields` are offsets from `start`.
  package struct Record {
    package let start: Int
    package let count: Int
    package let fields: ScannedEvent
    /// The decoded delta, as an offset from the start of the batch.
    package let deltaStart: Int
    package let deltaCount: Int
  }

  package private(set) var records: [Record] = []
  /// Length of all events' JSON.
  package private(set) var jsonBytes = 0
  private var memory: UnsafeMutableRawPointer
  private var capacity: Int
  private var used = 0

  /// A batch beyond this goes to the caller before the read burst is over: memory of this size is reused
  /// by malloc, larger pieces would be mapped and unmapped (a third of all time, when measured).
  package static let bytesMax = 64 << 10

  package init(capacity: Int, recordCapacity: Int = 0) {
    self.capacity = max(capacity, 256)
    memory = .allocate(byteCount: self.capacity, alignment: 8)
    records.reserveCapacity(recordCapacity)
  }

  package static let recordsMax = 256

  package var isFull: Bool { used >= Self.bytesMax || records.count >= Self.recordsMax }

  deinit { memory.deallocate() }

  /// Copies `text`, whose scan gave `fields`.
  package func append(_ text: UnsafeRawBufferPointer, _ fields: ScannedEvent) {
    reserve(text.count + (fields.delta.hasEscapes ? fields.delta.lengthAtMost : 0))
    let start = used
    UnsafeMutableRawBufferPointer(start: memory + start, count: text.count).copyMemory(from: text)
    used += text.count
    jsonBytes += text.count
    var deltaStart = start + Int(fields.delta.span.start)
    var deltaCount = fields.delta.lengthAtMost
    if fields.delta.hasEscapes {
      let free = UnsafeMutableRawBufferPointer(start: memory + used, count: capacity - used)
      deltaStart = used
      deltaCount = fields.delta.decode(in: text, into: free)
      used += deltaCount
    }
    records.append(
      Record(
        start: start, count: text.count, fields: fields, deltaStart: deltaStart,
        deltaCount: deltaCount))
  }

  private func reserve(_ count: Int) {
    guard capacity - used < count else { return }
    let larger = max(capacity * 2, used + count)
    let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 8)
    moved.copyMemory(from: memory, byteCount: used)
    memory.deallocate()
    memory = moved
    capacity = larger
  }

  /// Length of the JSON of these events.
  package func jsonBytes(_ range: Range<Int>) -> Int {
    if range.count == records.count { return jsonBytes }
    return records[range].reduce(0) { $0 + $1.count }
  }

  /// All strings of the events lie in it.
  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: used) }

  package func json(_ record: Record) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: memory + record.start, count: record.count)
  }

  package func delta(_ record: Record) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: memory + record.deltaStart, count: record.deltaCount)
  }

  /// Bytes of a value of the record's event, as received.
  package func bytes(_ span: EventSpan, of record: Record) -> UnsafeRawBufferPointer {
    span.bytes(in: json(record))
  }

  /// Bytes of a string of the record's event, as written; ids and types hold no escapes in practice.
  package func bytes(_ string: EventString, of record: Record) -> UnsafeRawBufferPointer {
    string.content(in: json(record))
  }
}
