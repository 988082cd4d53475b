/// One event of an event stream, in place: valid until the reader is called again or the part it was read
/// from goes.
package struct ServerSentEvent {
  /// As in `event: response.created`; empty stands for `message`.
  package let type: UnsafeRawBufferPointer
  /// The values of all `data` fields, joined by LF. Not checked for UTF-8: what reads the value does that.
  package let data: UnsafeRawBufferPointer
}

/// A line, or an event's data, is longer than the limit.
package struct ServerSentEventTooLarge: Error, Equatable, Sendable, CustomStringConvertible {
  package let limitBytes: Int

  package var description: String { "a server-sent event is larger than \(limitBytes) bytes" }
}

/// Takes the events out of a body of type `text/event-stream` (WHATWG HTML §9.2), which arrives in parts
/// that are cut anywhere. An event that no empty line ends before the end of the body is none: whoever
/// reaches that end just stops asking.
///
/// A line that lies wholly in a part is used where it lies, and so is an event with one `data` line and the
/// empty line in the same part, which is how servers write. Only what a part leaves unfinished is copied.
package struct ServerSentEventReader: ~Copyable {
  /// Of the `id` field; kept from event to event.
  package private(set) var lastEventID: [UInt8] = []
  /// Of the `retry` field, in milliseconds; nil: the server has not said.
  package private(set) var retryMilliseconds: Int?

  private let bytesMax: Int
  /// The beginning of a line whose end has not come.
  private var line: ByteBuffer
  private var data: ByteBuffer
  private var type: ByteBuffer
  /// There has been a `data` field, though it may have been empty.
  private var hasData = false
  private var isFirstLine = true
  /// The last line ended in CR: a LF that follows belongs to it. It must not be waited for.
  private var skipsLineFeed = false

  package init(eventBytesMax: Int) {
    bytesMax = max(0, eventBytesMax)
    line = ByteBuffer(bytesMax: bytesMax)
    data = ByteBuffer(bytesMax: bytesMax)
    type = ByteBuffer(bytesMax: bytesMax)
  }

  /// Memory held, used or not.
  package var allocatedBytes: Int {
    line.allocatedBytes + data.allocatedBytes + type.allocatedBytes + lastEventID.capacity
  }

  /// The next event, with what was read taken off the head of `part`; nil: `part` is used up. After an error the
  /// reader is spent.
  package mutating func next(
    _ part: inout UnsafeRawBufferPointer
  ) throws(ServerSentEventTooLarge) -> ServerSentEvent? {
    // The event's only `data` so far, where it lies; it must be copied before that memory is used again.
    var held: UnsafeRawBufferPointer?
    while let line = try takeLine(from: &part, &held) {
      if line.isEmpty {
        defer { type.consume(type.count) }
        guard hasData else { continue }
        hasData = false
        let whole = held ?? data.bytes
        data.consume(data.count)
        return ServerSentEvent(type: type.bytes, data: whole)
      }
      try take(Field(line), &held)
    }
    try keep(&held)
    return nil
  }

  // MARK: Lines

  /// A line without its end, CR LF, LF or CR; nil: its end is not in the part, all of which is taken.
  private mutating func takeLine(
    from part: inout UnsafeRawBufferPointer, _ held: inout UnsafeRawBufferPointer?
  ) throws(ServerSentEventTooLarge) -> UnsafeRawBufferPointer? {
    if skipsLineFeed, let first = part.first {
      skipsLineFeed = false
      if first == UInt8(ascii: "\n") { part = part.dropping(1) }
    }
    let length = LineEnd.offset(in: part)
    guard line.count + (length ?? part.count) <= bytesMax else { throw tooLarge }
    guard let length else {
      // `held` may lie in `line`'s memory.
      try keep(&held)
      try line.add(part)
      part = part.dropping(part.count)
      return nil
    }
    var taken = UnsafeRawBufferPointer(rebasing: part[..<length])
    if !line.isEmpty {
      try keep(&held)
      try line.add(taken)
      taken = line.bytes
      line.consume(line.count)
    }
    skipsLineFeed = part[length] == UInt8(ascii: "\r")
    part = part.dropping(length + 1)
    guard isFirstLine else { return taken }
    isFirstLine = false
    return taken.starts(with: [0xEF, 0xBB, 0xBF]) ? taken.dropping(3) : taken
  }

  // MARK: Fields

  private struct Field {
    let name: UnsafeRawBufferPointer
    let value: UnsafeRawBufferPointer

    init(_ line: UnsafeRawBufferPointer) {
      let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.count
      name = UnsafeRawBufferPointer(rebasing: line[..<colon])
      let value = line.dropping(colon + 1)
      // One blank after the colon belongs to it.
      self.value = value.first == UInt8(ascii: " ") ? value.dropping(1) : value
    }

    func isNamed(_ name: StaticString) -> Bool {
      let expected = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
      return self.name.elementsEqual(expected)
    }
  }

  /// Comments, which have an empty name, keep the connection alive and say nothing; unknown fields likewise.
  private mutating func take(
    _ field: Field, _ held: inout UnsafeRawBufferPointer?
  ) throws(ServerSentEventTooLarge) {
    if field.isNamed("data") {
      try takeData(field.value, &held)
    } else if field.isNamed("event") {
      type.consume(type.count)
      try type.add(field.value)
    } else if field.isNamed("id") {
      if !field.value.contains(0) { lastEventID = Array(field.value) }
    } else if field.isNamed("retry") {
      if let time = HTTPSyntax.number(field.value) { retryMilliseconds = time }
    }
  }

  private mutating func takeData(
    _ value: UnsafeRawBufferPointer, _ held: inout UnsafeRawBufferPointer?
  ) throws(ServerSentEventTooLarge) {
    guard hasData else {
      hasData = true
      held = value
      return
    }
    try keep(&held)
    guard data.count + 1 + value.count <= bytesMax else { throw tooLarge }
    try withUnsafeBytes(of: UInt8(ascii: "\n")) { end throws(ServerSentEventTooLarge) in
      try data.add(end)
    }
    try data.add(value)
  }

  // MARK: Memory

  private var tooLarge: ServerSentEventTooLarge { ServerSentEventTooLarge(limitBytes: bytesMax) }

  private mutating func keep(
    _ held: inout UnsafeRawBufferPointer?
  ) throws(ServerSentEventTooLarge) {
    guard let value = held else { return }
    held = nil
    try data.add(value)
  }
}

extension ByteBuffer {
  fileprivate mutating func add(
    _ bytes: UnsafeRawBufferPointer
  ) throws(ServerSentEventTooLarge) {
    do throws(BufferFull) {
      try append(bytes)
    } catch {
      throw ServerSentEventTooLarge(limitBytes: error.limitBytes)
    }
  }
}

extension UnsafeRawBufferPointer {
  /// Without its first `count` bytes, or as many as there are.
  fileprivate func dropping(_ count: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: dropFirst(count))
  }
}
