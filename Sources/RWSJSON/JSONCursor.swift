/// The one implementation of JSON's grammar (RFC 8259): a position in a text, moved over it by
/// checked steps. `JSONValue` reads through it, and so does the event scanner.
///
/// Everything that is stepped over is validated: structure, numbers, escapes, UTF-8. Never reads
/// outside the text, never recurses, never allocates. A lone surrogate escape is legal and kept.
///
///     var cursor = JSONCursor(text)
///     try cursor.enterObject()
///     while let key = try cursor.nextKey() {
///       if key.equals("id", in: text) { … }   // the cursor is at the value now:
///       try cursor.skipValue()                // it must be stepped over
///     }
///     try cursor.finish()
package struct JSONCursor {
  /// Containers within containers; deeper texts are refused.
  package static let depthLimit = NestingStack.capacity

  package let text: UnsafeRawBufferPointer
  package private(set) var offset: Int
  /// A container was entered and nothing of it has been read.
  private var isAtStart = false

  /// `offset` must not be negative; one beyond the end acts as the end.
  package init(_ text: UnsafeRawBufferPointer, at offset: Int = 0) {
    self.text = text
    self.offset = offset
  }

  // MARK: Containers

  /// Steps over `{`, and white space before it.
  package mutating func enterObject() throws(JSONError) {
    try enter(ASCII.openBrace)
  }

  /// Steps over `[`, and white space before it.
  package mutating func enterArray() throws(JSONError) {
    try enter(ASCII.openBracket)
  }

  private mutating func enter(_ bracket: UInt8) throws(JSONError) {
    guard try peek() == bracket else { throw unexpected }
    offset &+= 1
    isAtStart = true
  }

  /// The next member's key, the cursor then being at its value; nil at the end of the object, which
  /// is stepped over.
  @inline(__always)
  package mutating func nextKey() throws(JSONError) -> JSONStringSpan? {
    guard try stepsToNext(closing: ASCII.closeBrace) else { return nil }
    let key = try scanString()
    guard try peek() == ASCII.colon else { throw unexpected }
    offset &+= 1
    _ = try peek()
    return key
  }

  /// Whether there is a next element, the cursor then being at it; false at the end of the array,
  /// which is stepped over.
  package mutating func nextElement() throws(JSONError) -> Bool {
    try stepsToNext(closing: ASCII.closeBracket)
  }

  @inline(__always)
  private mutating func stepsToNext(closing: UInt8) throws(JSONError) -> Bool {
    let byte = try peek()
    if byte == closing {
      offset &+= 1
      isAtStart = false
      return false
    }
    if isAtStart {
      isAtStart = false
      return true
    }
    guard byte == ASCII.comma else { throw unexpected }
    offset &+= 1
    _ = try peek()
    return true
  }

  // MARK: Values

  /// Kind of the value at the cursor, after white space. Not validated beyond its first byte.
  package mutating func peekKind() throws(JSONError) -> JSONKind {
    switch try peek() {
    case ASCII.openBrace: return .object
    case ASCII.openBracket: return .array
    case ASCII.quote: return .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "n"): return .null
    case ASCII.minus, ASCII.zero...ASCII.nine: return .number
    default: throw unexpected
    }
  }

  /// Steps over one value and everything in it, after white space.
  /// - Parameter depth: Containers around the value that count towards the limit.
  package mutating func skipValue(depth: Int = 0) throws(JSONError) {
    switch try peekKind() {
    case .object, .array: try skipContainer(depth: depth)
    case .string: _ = try scanString()
    case .number: try skipNumber()
    case .bool: try skipLiteral(text[offset] == UInt8(ascii: "t") ? "true" : "false")
    case .null: try skipLiteral("null")
    }
  }

  private mutating func skipContainer(depth: Int) throws(JSONError) {
    var nesting = NestingStack()
    while true {
      // A value begins here.
      switch try peekKind() {
      case .object:
        try push(isObject: true, on: &nesting, depth: depth)
        try enterObject()
      case .array:
        try push(isObject: false, on: &nesting, depth: depth)
        try enterArray()
      case .string, .number, .bool, .null:
        try skipValue()
      }
      // It was entered or stepped over: on to the next value, out of all containers that end here.
      while nesting.isInObject ? try nextKey() == nil : try !nextElement() {
        nesting.pop()
        if nesting.depth == 0 { return }
      }
    }
  }

  private func push(
    isObject: Bool, on nesting: inout NestingStack, depth: Int
  ) throws(JSONError) {
    guard depth &+ nesting.depth < Self.depthLimit, nesting.push(isObject: isObject) else {
      throw JSONError(.tooDeep, at: offset)
    }
  }

  private mutating func skipLiteral(_ literal: StaticString) throws(JSONError) {
    let start = offset
    for index in 0..<literal.utf8CodeUnitCount {
      guard start &+ index < text.count else { throw JSONError(.unexpectedEnd, at: text.count) }
      guard text[start &+ index] == literal.utf8Start[index] else {
        throw JSONError(.unexpectedByte, at: start &+ index)
      }
    }
    offset = start &+ literal.utf8CodeUnitCount
  }

  /// Steps over a number and nothing around it.
  private mutating func skipNumber() throws(JSONError) {
    if text[offset] == ASCII.minus { offset &+= 1 }
    if offset < text.count, text[offset] == ASCII.zero {
      offset &+= 1
      if isAtDigit { throw JSONError(.invalidNumber, at: offset) }
    } else {
      try skipDigits()
    }
    if offset < text.count, text[offset] == ASCII.point {
      offset &+= 1
      try skipDigits()
    }
    if offset < text.count, text[offset] | 0x20 == UInt8(ascii: "e") {
      offset &+= 1
      if offset < text.count, text[offset] == ASCII.plus || text[offset] == ASCII.minus {
        offset &+= 1
      }
      try skipDigits()
    }
  }

  /// One digit or more.
  private mutating func skipDigits() throws(JSONError) {
    guard isAtDigit else {
      throw JSONError(offset < text.count ? .invalidNumber : .unexpectedEnd, at: offset)
    }
    repeat { offset &+= 1 } while isAtDigit
  }

  private var isAtDigit: Bool {
    offset < text.count && text[offset] &- ASCII.zero <= 9
  }

  // MARK: Strings

  /// Steps over the string at the cursor. Says where its content is and whether it has escapes.
  package mutating func scanString() throws(JSONError) -> JSONStringSpan {
    guard offset < text.count, text[offset] == ASCII.quote else { throw unexpected }
    let start = offset &+ 1
    var index = start
    var hasEscapes = false
    while true {
      index = text.endOfPlainRun(from: index)
      guard index < text.count else { throw JSONError(.unexpectedEnd, at: text.count) }
      let byte = text[index]
      if byte == ASCII.quote {
        offset = index &+ 1
        return JSONStringSpan(start: start, end: index, hasEscapes: hasEscapes)
      }
      if byte == ASCII.backslash {
        hasEscapes = true
        guard let escape = JSONEscape(in: text, at: index) else {
          throw JSONError(.invalidEscape, at: index)
        }
        index &+= escape.length
      } else if byte < 0x20 {
        throw JSONError(.controlCharacter, at: index)
      } else {
        let length = text.lengthOfUTF8Sequence(at: index)
        guard length > 0 else { throw JSONError(.invalidUTF8, at: index) }
        index &+= length
      }
    }
  }

  // MARK: Between the values

  /// Requires that only white space is left.
  package mutating func finish() throws(JSONError) {
    skipWhiteSpace()
    if offset < text.count { throw JSONError(.trailingBytes, at: offset) }
  }

  /// The next byte that is not white space; the cursor stays before it.
  @inline(__always)
  private mutating func peek() throws(JSONError) -> UInt8 {
    if offset < text.count, text[offset] > ASCII.space { return text[offset] }
    skipWhiteSpace()
    guard offset < text.count else { throw JSONError(.unexpectedEnd, at: text.count) }
    return text[offset]
  }

  private mutating func skipWhiteSpace() {
    while offset < text.count {
      switch text[offset] {
      case ASCII.space, ASCII.lineFeed, ASCII.carriageReturn, ASCII.tab: offset &+= 1
      default: return
      }
    }
  }

  private var unexpected: JSONError {
    offset < text.count
      ? JSONError(.unexpectedByte, at: offset) : JSONError(.unexpectedEnd, at: text.count)
  }
}

package enum JSONKind: UInt8, Sendable {
  case object, array, string, number, bool, null
}
