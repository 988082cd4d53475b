import RWSJSON

extension EventSpan {
  /// A copy of the value that outlives the event's text; nil if absent.
  package func value(in text: UnsafeRawBufferPointer) -> JSONValue? {
    guard isPresent else { return nil }
    return try? JSONValue(parsing: bytes(in: text))
  }
}

extension ResponseFields {
  package var idText: String { id.map { String(decoding: $0, as: UTF8.self) } ?? "" }
}
