@usableFromInline
package enum JSONKind: UInt8, Sendable {
  case object, array, string, number, bool, null
}

/// Where a value lies in its text, quotes and brackets included.
@usableFromInline
package struct JSONSpan: Sendable {
  @usableFromInline package let kind: JSONKind
  /// Of a string: whether its content differs from what it stands for.
  @usableFromInline package let hasEscapes: Bool
  @usableFromInline package let start: Int
  @usableFromInline package let end: Int

  @inlinable @inline(__always)
  package init(kind: JSONKind, hasEscapes: Bool = false, start: Int, end: Int) {
    self.kind = kind
    self.hasEscapes = hasEscapes
    self.start = start
    self.end = end
  }

  /// The value as written.
  package func bytes(in text: JSONText) -> UnsafeRawBufferPointer { text.slice(start, end).bytes }

  /// The content of a string; nil for another kind.
  @inlinable @inline(__always)
  package var string: JSONStringSpan? {
    guard kind == .string else { return nil }
    return JSONStringSpan(start: start &+ 1, end: end &- 1, hasEscapes: hasEscapes)
  }
}
