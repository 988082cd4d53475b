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

  private struct State {
    var records: UnsafeMutablePointer<Record>
    var recordCount = 0
    var recordCapacity: Int
    /// Length of all events' JSON.
    var jsonBytes = 0
    var memory: UnsafeMutableRawPointer
    var capacity: Int
    var used = 0
  }

  /// Behind a pointer, because each use of a variable of a class is checked for exclusive access: ten
  /// such checks for every event cost more than the copy.
  private let state: UnsafeMutablePointer<State>

  /// A batch beyond this goes to the caller before the read burst is over: memory of this size is reused
  /// by malloc, larger pieces would be mapped and unmapped (a third of all time, when measured).
  package static let bytesMax = 64 << 10

  package static let recordsMax = 256

  package init(capacity: Int, recordCapacity: Int = 0) {
    let capacity = max(capacity, 256)
    let recordCapacity = max(recordCapacity, 4)
    state = .allocate(capacity: 1)
    state.initialize(
      to: State(
        records: .allocate(capacity: recordCapacity), recordCapacity: recordCapacity,
        memory: .allocate(byteCount: capacity, alignment: 8), capacity: capacity))
  }

  deinit {
    state.pointee.records.deallocate()
    state.pointee.memory.deallocate()
    state.deallocate()
  }

  package var isFull: Bool {
    state.pointee.used >= Self.bytesMax || state.pointee.recordCount >= Self.recordsMax
  }

  /// Valid while the batch lives and nothing is appended.
  package var records: UnsafeBufferPointer<Record> {
    UnsafeBufferPointer(start: state.pointee.records, count: state.pointee.recordCount)
  }

  package var jsonBytes: Int { state.pointee.jsonBytes }

  /// Length of the JSON of these events.
  package func jsonBytes(_ range: Range<Int>) -> Int {
    let records = records
    if range.count == records.count { return jsonBytes }
    return range.reduce(0) { $0 + records[$1].count }
  }

  /// All strings of the events lie in it.
  package var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: state.pointee.memory, count: state.pointee.used)
  }

  // MARK: Filling

  /// Copies `text`, whose scan gave `fields`.
  package func append(_ text: UnsafeRawBufferPointer, _ fields: ScannedEvent) {
    reserve(text.count + (fields.delta.hasEscapes ? fields.delta.lengthAtMost : 0))
    let start = state.pointee.used
    let target = state.pointee.memory + start
    UnsafeMutableRawBufferPointer(start: target, count: text.count).copyMemory(from: text)
    state.pointee.used = start + text.count
    state.pointee.jsonBytes += text.count
    var deltaStart = start + Int(fields.delta.span.start)
    var deltaCount = fields.delta.lengthAtMost
    if fields.delta.hasEscapes {
      deltaStart = state.pointee.used
      deltaCount = fields.delta.decode(in: text, into: free)
      state.pointee.used += deltaCount
    }
    (state.pointee.records + state.pointee.recordCount).initialize(
      to: Record(
        start: start, count: text.count, fields: fields, deltaStart: deltaStart,
        deltaCount: deltaCount))
    state.pointee.recordCount += 1
  }

  private var free: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      start: state.pointee.memory + state.pointee.used,
      count: state.pointee.capacity - state.pointee.used)
  }

  /// Room for one more event that takes so many bytes.
  private func reserve(_ count: Int) {
    if state.pointee.capacity - state.pointee.used < count { growMemory(count) }
    if state.pointee.recordCount == state.pointee.recordCapacity { growRecords() }
  }

  private func growMemory(_ count: Int) {
    let larger = max(state.pointee.capacity * 2, state.pointee.used + count)
    let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 8)
    moved.copyMemory(from: state.pointee.memory, byteCount: state.pointee.used)
    state.pointee.memory.deallocate()
    state.pointee.memory = moved
    state.pointee.capacity = larger
  }

  private func growRecords() {
    let larger = state.pointee.recordCapacity * 2
    let moved = UnsafeMutablePointer<Record>.allocate(capacity: larger)
    moved.moveInitialize(from: state.pointee.records, count: state.pointee.recordCount)
    state.pointee.records.deallocate()
    state.pointee.records = moved
    state.pointee.recordCapacity = larger
  }

  // MARK: Reading

  package func json(_ record: Record) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: state.pointee.memory + record.start, count: record.count)
  }

  package func delta(_ record: Record) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: state.pointee.memory + record.deltaStart, count: record.deltaCount)
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
