import RWSJSON

/// Reads an event's top-level members in one pass: no tree, no memory. The whole text is checked on
/// the way (RFC 8259, UTF-8), nested values too. Of duplicate keys the last counts, as everywhere
/// (Python's `json`, JavaScript); keys are compared unescaped; `type` may stand anywhere, and one
/// inside a nested value means nothing.
package enum EventScanner {
  /// Positions are kept in 32 bits. The largest message that a client may allow is smaller.
  package static let lengthLimit = Int(Int32.max)

  package static func scan(_ text: UnsafeRawBufferPointer) throws(EventError) -> ScannedEvent {
    guard text.count <= lengthLimit else { throw .tooLarge }
    var cursor = JSONCursor(text)
    var event = ScannedEvent()
    do {
      if try cursor.peekKind() == .object {
        try readMembers(&cursor, into: &event)
        try cursor.finish()
        resolveKind(of: &event, in: text)
        return event
      }
    } catch {
      throw .malformed(error)
    }
    throw .notAnObject
  }

  private static func readMembers(
    _ cursor: inout JSONCursor, into event: inout ScannedEvent
  ) throws(JSONError) {
    var status: Int64 = -1
    var statusCode: Int64 = -1
    try cursor.enterObject()
    while let key = try cursor.nextKey() {
      let member = member(named: key, in: cursor.text)
      let value = try cursor.takeMember()
      switch member {
      case .type: event.type = EventString(value.string)
      case .sequenceNumber: event.sequenceNumber = value.count(in: cursor.text)
      case .outputIndex: event.outputIndex = value.count(in: cursor.text)
      case .delta: event.delta = EventString(value.string)
      case .streamID: event.streamID = EventString(value.string)
      case .itemID: event.itemID = EventString(value.string)
      case .item: event.item = EventSpan(value, ifOneOf: .object)
      case .response: event.response = EventSpan(value, ifOneOf: .object)
      case .error: event.error = EventSpan(value, ifOneOf: .object, .string)
      case .headers: event.headers = EventSpan(value, ifOneOf: .object)
      case .status: status = value.count(in: cursor.text)
      case .statusCode: statusCode = value.count(in: cursor.text)
      case .code: event.code = EventString(value.string)
      case .message: event.message = EventString(value.string)
      case .param: event.param = EventString(value.string)
      case .unknown: break
      }
    }
    event.status = Int32(exactly: status >= 0 ? status : max(statusCode, 0)) ?? 0
  }

  private static func resolveKind(of event: inout ScannedEvent, in text: UnsafeRawBufferPointer) {
    guard event.type.isPresent else {
      // xAI's error frames, and bodies of HTTP errors, have no type.
      event.kind = event.error.isPresent ? .error : .other
      return
    }
    withUnescaped(event.type, in: text) { type in
      event.kind = EventKind(type: type)
      if event.kind == .other, JSONText(type).matches("response.done") {
        event.kind = kindOfDone(event.response.bytes(in: text))
      }
    }
  }

  /// Gateways end every response with `response.done`; its status tells how.
  private static func kindOfDone(_ response: UnsafeRawBufferPointer) -> EventKind {
    switch ResponseFields(response).status {
    case "failed", "cancelled": .responseFailed
    case "incomplete": .responseIncomplete
    default: .responseCompleted
    }
  }

  // MARK: Names

  enum Member {
    case type, sequenceNumber, outputIndex, delta, streamID, itemID, item, response, error, headers
    case status, statusCode, code, message, param, unknown
  }

  @inline(__always)
  static func member(named key: JSONStringSpan, in text: JSONText) -> Member {
    guard key.hasEscapes else { return member(named: key.content(in: text)) }
    var result = Member.unknown
    withUnescaped(EventString(key), in: text.bytes) { result = member(named: JSONText($0)) }
    return result
  }

  @inline(__always)
  private static func member(named key: JSONText) -> Member {
    switch key.count {
    case 4:
      if key.matches("type") { return .type }
      if key.matches("item") { return .item }
      if key.matches("code") { return .code }
    case 5:
      if key.matches("delta") { return .delta }
      if key.matches("error") { return .error }
      if key.matches("param") { return .param }
    case 6:
      if key.matches("status") { return .status }
    case 7:
      if key.matches("item_id") { return .itemID }
      if key.matches("message") { return .message }
      if key.matches("headers") { return .headers }
    case 8:
      if key.matches("response") { return .response }
    case 9:
      if key.matches("stream_id") { return .streamID }
    case 11:
      if key.matches("status_code") { return .statusCode }
    case 12:
      if key.matches("output_index") { return .outputIndex }
    case 15:
      if key.matches("sequence_number") { return .sequenceNumber }
    default: break
    }
    return .unknown
  }

  /// Calls `body` with the unescaped name, unless that is longer than any that the scanner knows:
  /// one byte takes at most six as an escape.
  private static func withUnescaped(
    _ name: EventString, in text: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void
  ) {
    guard name.hasEscapes else { return body(name.content(in: text)) }
    guard name.lengthAtMost <= longestName &* 6 else { return }
    withUnsafeTemporaryAllocation(byteCount: longestName &* 6, alignment: 8) { buffer in
      let length = name.decode(in: text, into: buffer)
      body(UnsafeRawBufferPointer(rebasing: buffer[..<length]))
    }
  }

  /// `response.function_call_arguments.delta`
  private static let longestName = 38
}

extension EventSpan {
  @inline(__always)
  fileprivate init(_ value: JSONSpan, ifOneOf kind: JSONKind, _ otherKind: JSONKind = .object) {
    if value.kind == kind || value.kind == otherKind {
      self.init(start: value.start, end: value.end)
    } else {
      self.init()
    }
  }
}
