import RWSJSON

/// What the library itself needs of an event: small values, and where the rest lies in its text.
/// A member that is missing, null or of another type than the API's is absent.
package struct ScannedEvent: Equatable, Sendable {
  package internal(set) var kind = EventKind.other
  /// -1: absent.
  package internal(set) var sequenceNumber: Int64 = -1
  /// -1: absent.
  package internal(set) var outputIndex: Int64 = -1
  /// HTTP status of a flat or untyped error event (`status`, else `status_code`); 0: absent.
  package internal(set) var status: Int32 = 0

  package internal(set) var type = EventString()
  package internal(set) var delta = EventString()
  /// The lane; absent: the default lane.
  package internal(set) var streamID = EventString()
  package internal(set) var itemID = EventString()
  /// `code`, `message` and `param` of a flat error event.
  package internal(set) var code = EventString()
  package internal(set) var message = EventString()
  package internal(set) var param = EventString()

  /// An object.
  package internal(set) var item = EventSpan()
  /// An object.
  package internal(set) var response = EventSpan()
  /// An object, or the string that some gateways send in its place.
  package internal(set) var error = EventSpan()
  /// An object.
  package internal(set) var headers = EventSpan()

  package init() {}
}

/// A JSON value in an event's text.
package struct EventSpan: Equatable, Sendable {
  package let start: UInt32
  package let length: UInt32

  /// Absent: no member's value begins at the first byte.
  init() {
    start = 0
    length = 0
  }

  /// The scanner bounds texts to `EventScanner.lengthLimit`.
  init(start: Int, end: Int) {
    self.start = UInt32(truncatingIfNeeded: start)
    length = UInt32(truncatingIfNeeded: end &- start)
  }

  package var isPresent: Bool { start != 0 }

  /// The bytes as received; none if absent or if `text` is not the event's.
  package func bytes(in text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    let start = Int(start)
    let end = start &+ Int(length)
    guard isPresent, end <= text.count else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(rebasing: text[start..<end])
  }
}

/// A JSON string in an event's text: the content between its quotes.
package struct EventString: Equatable, Sendable {
  package let span: EventSpan
  /// Without escapes the content is the string: copy it as it is.
  package let hasEscapes: Bool

  init() {
    span = EventSpan()
    hasEscapes = false
  }

  init(_ string: JSONStringSpan?) {
    if let string {
      span = EventSpan(start: string.start, end: string.end)
      hasEscapes = string.hasEscapes
    } else {
      span = EventSpan()
      hasEscapes = false
    }
  }

  package var isPresent: Bool { span.isPresent }

  /// Upper bound of the string's length in bytes; exact without escapes.
  package var lengthAtMost: Int { Int(span.length) }

  /// As written, escapes and all.
  package func content(in text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    span.bytes(in: text)
  }

  /// Unescapes into `destination`, which must hold `lengthAtMost` bytes; returns the bytes written.
  package func decode(
    in text: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer
  ) -> Int {
    let content = content(in: text)
    guard destination.count >= content.count else { return 0 }
    guard !hasEscapes else { return JSONString.decode(content, into: destination) }
    destination.copyMemory(from: content)
    return content.count
  }

  /// Unescaped, lone surrogates as WTF-8; empty if absent.
  package func decoded(in text: UnsafeRawBufferPointer) -> [UInt8] {
    let content = content(in: text)
    return hasEscapes ? JSONString.decode(content) : [UInt8](content)
  }

  /// Unescaped, lone surrogates replaced; nil if absent.
  package func string(in text: UnsafeRawBufferPointer) -> String? {
    guard isPresent else { return nil }
    let end = Int(span.start) &+ Int(span.length)
    return JSONStringSpan(start: Int(span.start), end: end, hasEscapes: hasEscapes)
      .string(in: JSONText(text))
  }
}
