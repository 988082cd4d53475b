import RWSJSON

/// Takes the value of a member and says what it is, if it is of the type that is wanted.
extension JSONCursor {
  /// The value lies in a container, the event at least.
  @inline(__always)
  mutating func takeMember() throws(JSONError) -> JSONSpan {
    try takeValue(depth: 1)
  }

  /// Unescaped, lone surrogates replaced: for codes and messages.
  mutating func takeText() throws(JSONError) -> String? {
    try takeMember().string?.string(in: text)
  }

  /// Unescaped, lone surrogates as WTF-8: for what goes back to the server or to the caller.
  mutating func takeBytes() throws(JSONError) -> [UInt8]? {
    try takeMember().string?.decoded(in: text)
  }

  /// An integer from 0 on; -1 for anything else.
  mutating func takeCount() throws(JSONError) -> Int64 {
    try takeMember().count(in: text)
  }

  /// A number as it is written, or the text of a string: header values come as both.
  mutating func takeNumberOrText() throws(JSONError) -> String? {
    let value = try takeMember()
    guard value.kind == .number else { return value.string?.string(in: text) }
    return String(decoding: value.bytes(in: text), as: UTF8.self)
  }

  /// The bytes of an object; none for anything else.
  mutating func takeObject() throws(JSONError) -> UnsafeRawBufferPointer {
    let value = try takeMember()
    guard value.kind == .object else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return value.bytes(in: text)
  }
}

extension JSONSpan {
  /// An integer from 0 on; -1 for anything else.
  func count(in text: JSONText) -> Int64 {
    guard kind == .number else { return -1 }
    return max(JSONNumber.integer(bytes(in: text)) ?? -1, -1)
  }
}

/// A key as a pattern: `switch key { case "id": … }`, compared unescaped.
struct MemberKey {
  let span: JSONStringSpan
  let text: JSONText

  static func ~= (literal: StaticString, key: MemberKey) -> Bool {
    key.span.equals(literal, in: key.text)
  }
}

/// Calls `read` before the value of each member of `object`; it must take the value. Stops at what is
/// no JSON; an event's parts were checked with it.
func readMembers(
  of object: UnsafeRawBufferPointer,
  _ read: (MemberKey, inout JSONCursor) throws(JSONError) -> Void
) {
  var cursor = JSONCursor(object)
  do throws(JSONError) {
    try cursor.enterObject()
    while let key = try cursor.nextKey() {
      try read(MemberKey(span: key, text: cursor.text), &cursor)
    }
  } catch {
    return
  }
}
