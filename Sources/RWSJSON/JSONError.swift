/// Why a text is not JSON (RFC 8259), and where.
@usableFromInline
package struct JSONError: Error, Equatable, Sendable {
  @usableFromInline
  package enum Kind: UInt8, Sendable {
    /// The text ends inside a value.
    case unexpectedEnd
    /// A byte that no rule of the grammar allows here.
    case unexpectedByte
    /// A number such as `01`, `1.` or `-`.
    case invalidNumber
    /// An escape other than those of RFC 8259 §7.
    case invalidEscape
    /// A control character (below U+0020) that is not escaped.
    case controlCharacter
    case invalidUTF8
    /// Deeper than `JSONCursor.depthLimit`.
    case tooDeep
    /// Bytes after the value.
    case trailingBytes
  }

  @usableFromInline package let kind: Kind
  /// Byte offset into the text.
  @usableFromInline package let offset: Int

  @inlinable @inline(__always)
  package init(_ kind: Kind, at offset: Int) {
    self.kind = kind
    self.offset = offset
  }
}

extension JSONError: CustomStringConvertible {
  @usableFromInline package var description: String {
    let what =
      switch kind {
      case .unexpectedEnd: "the JSON text ends inside a value"
      case .unexpectedByte: "unexpected character in JSON"
      case .invalidNumber: "malformed number in JSON"
      case .invalidEscape: "invalid escape in a JSON string"
      case .controlCharacter: "control character in a JSON string (escape it)"
      case .invalidUTF8: "JSON text is not valid UTF-8"
      case .tooDeep: "JSON is nested deeper than \(JSONCursor.depthLimit) levels"
      case .trailingBytes: "characters after the end of the JSON value"
      }
    return "\(what), at byte \(offset)"
  }
}
