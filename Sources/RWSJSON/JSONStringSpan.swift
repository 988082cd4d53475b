/// Where the content of a JSON string lies in its text, without the quotes.
@usableFromInline
package struct JSONStringSpan: Equatable, Sendable {
  @usableFromInline package let start: Int
  @usableFromInline package let end: Int
  /// Without escapes the content is the string.
  @usableFromInline package let hasEscapes: Bool

  @inlinable @inline(__always)
  package init(start: Int, end: Int, hasEscapes: Bool) {
    self.start = start
    self.end = end
    self.hasEscapes = hasEscapes
  }

  /// The content as written. Empty if the span does not lie in `text`.
  @inlinable @inline(__always)
  package func content(in text: JSONText) -> JSONText { text.slice(start, end) }

  /// Whether the string, unescaped, is `utf8`.
  @usableFromInline
  package func equals(_ utf8: UnsafeRawBufferPointer, in text: JSONText) -> Bool {
    let content = content(in: text).bytes
    guard hasEscapes else { return content.elementsEqual(utf8) }
    // A byte takes at most six as an escape: what is longer need not be unescaped to differ.
    guard utf8.count < content.count, content.count <= utf8.count &* 6 else { return false }
    return JSONString.decode(content).elementsEqual(utf8)
  }

  /// Whether the string, unescaped, is `literal`.
  @inlinable @inline(__always)
  package func equals(_ literal: StaticString, in text: JSONText) -> Bool {
    guard hasEscapes else { return content(in: text).matches(literal) }
    return equals(
      UnsafeRawBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount), in: text)
  }

  /// The string, unescaped. See `JSONString`.
  package func decoded(in text: JSONText) -> [UInt8] {
    let content = content(in: text).bytes
    return hasEscapes ? JSONString.decode(content) : [UInt8](content)
  }

  /// The string, unescaped; a lone surrogate replaced by U+FFFD.
  package func string(in text: JSONText) -> String {
    let content = content(in: text).bytes
    guard hasEscapes else { return String(decoding: content, as: UTF8.self) }
    return String(
      decoding: JSONString.decode(content, loneSurrogates: .replaced), as: UTF8.self)
  }
}
