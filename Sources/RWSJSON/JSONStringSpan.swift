/// Where the content of a JSON string lies in its text, without the quotes.
package struct JSONStringSpan: Equatable, Sendable {
  package let start: Int
  package let end: Int
  /// Without escapes the content is the string.
  package let hasEscapes: Bool

  package init(start: Int, end: Int, hasEscapes: Bool) {
    self.start = start
    self.end = end
    self.hasEscapes = hasEscapes
  }

  /// The content as written. Empty if the span does not lie in `text`.
  @inline(__always)
  package func content(in text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    guard start >= 0, start <= end, end <= text.count else {
      return UnsafeRawBufferPointer(start: nil, count: 0)
    }
    return UnsafeRawBufferPointer(rebasing: text[start..<end])
  }

  /// Whether the string, unescaped, is `utf8`.
  package func equals(_ utf8: UnsafeRawBufferPointer, in text: UnsafeRawBufferPointer) -> Bool {
    let content = content(in: text)
    guard hasEscapes else { return content.elementsEqual(utf8) }
    return utf8.count <= content.count && JSONString.decode(content).elementsEqual(utf8)
  }

  /// Whether the string, unescaped, is `literal`.
  package func equals(_ literal: StaticString, in text: UnsafeRawBufferPointer) -> Bool {
    equals(
      UnsafeRawBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount), in: text)
  }

  /// The string, unescaped. See `JSONString.decode`.
  package func decoded(in text: UnsafeRawBufferPointer) -> [UInt8] {
    hasEscapes ? JSONString.decode(content(in: text)) : [UInt8](content(in: text))
  }
}
