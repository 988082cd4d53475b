/// Writes JSON text. Commas come by themselves; that keys and values alternate and containers are
/// closed is up to the caller.
///
///     var writer = JSONWriter()
///     writer.beginObject()
///     writer.member("type", "response.create")
///     writer.member("input", raw: items)
///     writer.endObject()
///     send(writer.bytes)
package struct JSONWriter: Sendable {
  package private(set) var bytes: [UInt8]
  private var needsComma = false

  /// - Parameter buffer: Text to append to, or memory to use again.
  package init(appendingTo buffer: [UInt8] = []) {
    bytes = buffer
  }

  package init(reservingCapacity capacity: Int) {
    bytes = []
    bytes.reserveCapacity(capacity)
  }

  /// Begins anew, in the same memory.
  package mutating func reset() {
    bytes.removeAll(keepingCapacity: true)
    needsComma = false
  }

  // MARK: Containers

  package mutating func beginObject() { begin(ASCII.openBrace) }
  package mutating func endObject() { end(ASCII.closeBrace) }
  package mutating func beginArray() { begin(ASCII.openBracket) }
  package mutating func endArray() { end(ASCII.closeBracket) }

  private mutating func begin(_ bracket: UInt8) {
    separate()
    bytes.append(bracket)
    needsComma = false
  }

  private mutating func end(_ bracket: UInt8) {
    bytes.append(bracket)
    needsComma = true
  }

  package mutating func key(_ name: String) {
    string(name)
    colon()
  }

  package mutating func key(utf8 name: [UInt8]) {
    string(utf8: name)
    colon()
  }

  private mutating func colon() {
    bytes.append(ASCII.colon)
    needsComma = false
  }

  // MARK: Values

  package mutating func string(_ value: String) {
    var value = value
    value.withUTF8 { string(utf8: UnsafeRawBufferPointer($0)) }
  }

  /// UTF-8. Three-byte surrogates (WTF-8) are written as the escapes they came from; other bytes
  /// that are no UTF-8 become U+FFFD.
  package mutating func string(utf8 value: [UInt8]) {
    value.withUnsafeBytes { string(utf8: $0) }
  }

  package mutating func string(utf8 value: UnsafeRawBufferPointer) {
    separate()
    bytes.append(ASCII.quote)
    appendEscaped(JSONText(value))
    bytes.append(ASCII.quote)
  }

  package mutating func int(_ value: some BinaryInteger) {
    separate()
    bytes.append(contentsOf: String(value).utf8)
  }

  /// Shortest form that reads back as the same value; `null` for what JSON cannot say.
  package mutating func double(_ value: Double) {
    guard value.isFinite else { return null() }
    separate()
    bytes.append(contentsOf: value.description.utf8)
  }

  package mutating func bool(_ value: Bool) {
    separate()
    bytes.append(contentsOf: (value ? "true" : "false").utf8)
  }

  package mutating func null() {
    separate()
    bytes.append(contentsOf: "null".utf8)
  }

  // MARK: JSON text, taken over byte for byte

  package mutating func raw(_ json: ArraySlice<UInt8>) {
    separate()
    bytes.append(contentsOf: json)
  }

  package mutating func raw(_ json: [UInt8]) { raw(json[...]) }

  package mutating func raw(_ json: UnsafeRawBufferPointer) {
    separate()
    bytes.append(contentsOf: json)
  }

  package mutating func raw(_ json: StaticString) {
    raw(UnsafeRawBufferPointer(start: json.utf8Start, count: json.utf8CodeUnitCount))
  }

  package mutating func value(_ value: JSONValue) { raw(value.bytes) }

  // MARK: Whole members

  package mutating func member(_ name: String, _ value: String) {
    key(name)
    string(value)
  }

  package mutating func member(_ name: String, utf8 value: [UInt8]) {
    key(name)
    string(utf8: value)
  }

  package mutating func member(_ name: String, _ value: some BinaryInteger) {
    key(name)
    int(value)
  }

  package mutating func member(_ name: String, _ value: Bool) {
    key(name)
    bool(value)
  }

  package mutating func member(_ name: String, _ value: Double) {
    key(name)
    double(value)
  }

  package mutating func member(_ name: String, _ value: JSONValue) {
    key(name)
    self.value(value)
  }

  package mutating func member(_ name: String, raw json: ArraySlice<UInt8>) {
    key(name)
    raw(json)
  }

  package mutating func member(_ name: String, raw json: [UInt8]) {
    key(name)
    raw(json)
  }

  package mutating func member(_ name: String, raw json: StaticString) {
    key(name)
    raw(json)
  }

  package mutating func memberNull(_ name: String) {
    key(name)
    null()
  }

  // MARK: Parts

  private mutating func separate() {
    if needsComma { bytes.append(ASCII.comma) }
    needsComma = true
  }

  private mutating func appendEscaped(_ text: JSONText) {
    var index = 0
    while index < text.count {
      let end = text.endOfPlainRun(from: index)
      bytes.append(contentsOf: text.slice(index, end).bytes)
      index = end
      guard index < text.count else { return }
      let length = text.lengthOfUTF8Sequence(at: index)
      if length > 0 {
        bytes.append(contentsOf: text.slice(index, index &+ length).bytes)
        index &+= length
      } else if text[index] < 0x80 {
        appendEscape(of: text[index])
        index &+= 1
      } else if let surrogate = text.surrogate(at: index) {
        appendUnicodeEscape(surrogate)
        index &+= 3
      } else {
        bytes.append(contentsOf: "\u{FFFD}".utf8)
        index &+= 1
      }
    }
  }

  private mutating func appendEscape(of byte: UInt8) {
    let short: UInt8? =
      switch byte {
      case ASCII.quote, ASCII.backslash: byte
      case 0x08: UInt8(ascii: "b")
      case 0x09: UInt8(ascii: "t")
      case 0x0A: UInt8(ascii: "n")
      case 0x0C: UInt8(ascii: "f")
      case 0x0D: UInt8(ascii: "r")
      default: nil
      }
    guard let short else { return appendUnicodeEscape(UInt16(byte)) }
    bytes.append(ASCII.backslash)
    bytes.append(short)
  }

  private mutating func appendUnicodeEscape(_ unit: UInt16) {
    bytes.append(contentsOf: "\\u".utf8)
    for shift: UInt16 in [12, 8, 4, 0] {
      let digit = UInt8(truncatingIfNeeded: unit >> shift & 0xF)
      bytes.append(digit < 10 ? ASCII.zero &+ digit : UInt8(ascii: "a") &+ digit &- 10)
    }
  }
}
