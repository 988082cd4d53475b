import CResponsesWS
import RWSClient

/// A batch lent to C: its events as an array of `rws_event`, spaced as the caller's header has them.
struct LentBatch {
  /// Kept for as long as it is lent.
  private let batch: EventBatch
  private let array: EventArray
  private let range: Range<Int>
  private let eventSize: Int

  init(_ batch: EventBatch, _ range: Range<Int>, eventSize: Int, reusing last: LentBatch?) {
    self.batch = batch
    self.range = range
    self.eventSize = eventSize
    let byteCount = range.count * eventSize
    if let last, last.array.bytes.count >= byteCount {
      array = last.array
    } else {
      array = EventArray(byteCount: byteCount)
    }
    fill()
  }

  private func fill() {
    let known = min(eventSize, MemoryLayout<rws_event>.size)
    for (place, index) in range.enumerated() {
      var event = rws_event(batch, at: index)
      event.struct_size = eventSize
      let target = UnsafeMutableRawBufferPointer(
        rebasing: array.bytes[place * eventSize..<(place + 1) * eventSize])
      withUnsafeBytes(of: &event) { target.copyMemory(from: .init(rebasing: $0.prefix(known))) }
      if eventSize > known { target[known...].initializeMemory(as: UInt8.self, repeating: 0) }
    }
  }

  var value: rws_event_batch {
    var value = rws_event_batch()
    value.event_size = eventSize
    value.events = UnsafeRawPointer(array.bytes.baseAddress)?.assumingMemoryBound(to: rws_event.self)
    value.count = range.count
    value.memory = rws_string(batch.bytes)
    return value
  }

  /// What the caller's header has for the size of an event.
  static func eventSize(of pointer: UnsafeMutablePointer<rws_event_batch>) throws(ResponsesError) -> Int {
    guard pointer.pointee.struct_size >= MemoryLayout<rws_event_batch>.size,
      pointer.pointee.event_size % MemoryLayout<rws_event>.alignment == 0
    else {
      throw ResponsesError(
        .invalidArgument, "The sizes are not set; initialise the struct with RWS_EVENT_BATCH_INIT.")
    }
    return try checkedSize(pointer.pointee.event_size)
  }
}

/// Memory for events, used again for batch after batch of a turn.
private final class EventArray {
  let bytes: UnsafeMutableRawBufferPointer

  init(byteCount: Int) {
    bytes = .allocate(byteCount: byteCount, alignment: MemoryLayout<rws_event>.alignment)
  }

  deinit { bytes.deallocate() }
}
