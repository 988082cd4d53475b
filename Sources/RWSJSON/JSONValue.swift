/// One value inside a JSON text, as it was written. The text is checked once and shared by all values
/// in it; there is no tree, each look-up reads the text again. So it suits requests and events, of
/// which little is looked at; the bytes of any part can be taken over unchanged.
///
///     let request = try JSONValue(parsing: bytes)
///     let model = request["model"]?.string
///     for item in request["input"]?.elements ?? [] { history.append(contentsOf: item.bytes) }
package struct JSONValue: Sendable {
  private let storage: [UInt8]
  private let range: Range<Int>
  package let kind: JSONKind

  /// Checks the whole text strictly (RFC 8259, UTF-8, one value and nothing after it).
  package init(parsing text: [UInt8]) throws(JSONError) {
    let span = try text.withJSONCursor { cursor throws(JSONError) in
      let span = try cursor.takeValue()
      try cursor.finish()
      return span
    }
    self.init(storage: text, span: span)
  }

  package init(parsing text: String) throws(JSONError) {
    try self.init(parsing: Array(text.utf8))
  }

  package init(parsing text: UnsafeRawBufferPointer) throws(JSONError) {
    try self.init(parsing: [UInt8](text))
  }

  private init(storage: [UInt8], span: JSONSpan) {
    self.storage = storage
    range = span.start..<span.end
    kind = span.kind
  }

  /// The value as it was written, without the white space around it.
  package var bytes: ArraySlice<UInt8> { storage[range] }

  package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    storage.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }
  }
}

// MARK: Scalars; nil for a value of another kind

extension JSONValue {
  package var isNull: Bool { kind == .null }

  package var bool: Bool? {
    kind == .bool ? storage[range.lowerBound] == UInt8(ascii: "t") : nil
  }

  /// Exact: nil for `1.0`, `1e3`, and beyond Int64.
  package var int: Int64? {
    kind == .number ? withBytes(JSONNumber.integer) : nil
  }

  /// Nil beyond the range of Double.
  package var double: Double? {
    kind == .number ? withBytes(JSONNumber.double) : nil
  }

  /// The string, unescaped; a lone surrogate in its three-byte form (WTF-8), `\u0000` as a NUL byte.
  package var utf8: [UInt8]? {
    kind == .string ? withStringContent { JSONString.decode($0) } : nil
  }

  /// The string, unescaped; a lone surrogate replaced by U+FFFD.
  package var string: String? {
    guard kind == .string else { return nil }
    return withStringContent {
      String(decoding: JSONString.decode($0, loneSurrogates: .replaced), as: UTF8.self)
    }
  }

  private func withStringContent<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    withBytes { body(UnsafeRawBufferPointer(rebasing: $0.dropFirst().dropLast())) }
  }
}

// MARK: Containers; empty for a value of another kind

extension JSONValue {
  package struct Member: Sendable {
    /// The key, a string as it was written.
    package let name: JSONValue
    package let value: JSONValue
    package var key: String { name.string ?? "" }
  }

  /// In the order of the text, duplicates included.
  package var members: [Member] {
    guard kind == .object else { return [] }
    return collect { cursor, append throws(JSONError) in
      try cursor.enterObject()
      while let key = try cursor.nextKey() {
        let name = JSONSpan(kind: .string, start: key.start - 1, end: key.end + 1)
        let value = try cursor.takeValue()
        append(
          Member(
            name: JSONValue(storage: storage, span: name),
            value: JSONValue(storage: storage, span: value)))
      }
    }
  }

  package var elements: [JSONValue] {
    guard kind == .array else { return [] }
    return collect { cursor, append throws(JSONError) in
      try cursor.enterArray()
      while try cursor.nextElement() {
        append(JSONValue(storage: storage, span: try cursor.takeValue()))
      }
    }
  }

  /// The member of that key, keys compared unescaped. Of duplicates the last counts.
  package subscript(_ key: String) -> JSONValue? {
    guard kind == .object else { return nil }
    var key = key
    return key.withUTF8 { utf8 in
      collect { cursor, append throws(JSONError) in
        try cursor.enterObject()
        while let name = try cursor.nextKey() {
          let value = try cursor.takeValue()
          if name.equals(UnsafeRawBufferPointer(utf8), in: cursor.text) {
            append(JSONValue(storage: storage, span: value))
          }
        }
      }.last
    }
  }

  /// The text was checked when it was parsed, so the walk cannot fail; if it did, what was found
  /// before would stand.
  private func collect<Found>(
    _ walk: (inout JSONCursor, (Found) -> Void) throws(JSONError) -> Void
  ) -> [Found] {
    var found: [Found] = []
    try? storage.withJSONCursor(at: range.lowerBound) { cursor throws(JSONError) in
      try walk(&cursor) { found.append($0) }
    }
    return found
  }
}

extension [UInt8] {
  fileprivate func withJSONCursor<Result>(
    at offset: Int = 0, _ body: (inout JSONCursor) throws(JSONError) -> Result
  ) throws(JSONError) -> Result {
    try withUnsafeBufferPointer { bytes throws(JSONError) in
      var cursor = JSONCursor(UnsafeRawBufferPointer(bytes), at: offset)
      return try body(&cursor)
    }
  }
}
