/// The one implementation of JSON's grammar (RFC 8259): a position in a text, moved over it by
/// checked steps. `JSONValue` reads through it, and so does the event scanner.
///
/// Everything that is stepped over is validated: structure, numbers, escapes, UTF-8. Never reads
/// outside the text, never recurses, never allocates. A lone surrogate escape is legal and kept.
///
///     var cursor = JSONCursor(text)
///     try cursor.enterObject()
///     while let key = try cursor.nextKey() {
///       let value = try cursor.takeValue()
///       if key.equals("id", in: cursor.text) { … }
///     }
///     try cursor.finish()
///
/// What is inlined is the way of a short event. Its turnings (containers, escapes, errors) are
/// functions that take the cursor by value and return an offset, so that it stays in registers.
@usableFromInline
package struct JSONCursor {
  /// Containers within containers; deeper texts are refused.
  package static let depthLimit = NestingStack.capacity

  @usableFromInline package let text: JSONText
  @usableFromInline var position: Int
  /// A container was entered and nothing of it has been read.
  @usableFromInline var isAtStart = false

  /// Begins at `offset`, or at the end if the text is shorter.
  @inlinable @inline(__always)
  package init(_ text: UnsafeRawBufferPointer, at offset: Int = 0) {
    self.text = JSONText(text)
    position = min(max(offset, 0), text.count)
  }

  @inlinable @inline(__always)
  package var offset: Int { position }

  // MARK: Containers

  /// Steps over `{`, and white space before it.
  @inlinable @inline(__always)
  package mutating func enterObject() throws(JSONError) {
    try enter(UInt8(ascii: "{"))
  }

  /// Steps over `[`, and white space before it.
  @inlinable @inline(__always)
  package mutating func enterArray() throws(JSONError) {
    try enter(UInt8(ascii: "["))
  }

  @inlinable @inline(__always)
  mutating func enter(_ bracket: UInt8) throws(JSONError) {
    guard try peek() == bracket else { throw unexpected }
    position &+= 1
    isAtStart = true
  }

  /// The next member's key, the cursor then being before its value, which must be taken; nil at the
  /// end of the object, which is stepped over.
  @inlinable @inline(__always)
  package mutating func nextKey() throws(JSONError) -> JSONStringSpan? {
    guard try stepToNext(closing: UInt8(ascii: "}")) else { return nil }
    guard try peek() == UInt8(ascii: "\"") else { throw unexpected }
    let key = try takeString()
    guard try peek() == UInt8(ascii: ":") else { throw unexpected }
    position &+= 1
    return key
  }

  /// Whether there is a next element, the cursor then being before it; false at the end of the array,
  /// which is stepped over.
  @inlinable @inline(__always)
  package mutating func nextElement() throws(JSONError) -> Bool {
    try stepToNext(closing: UInt8(ascii: "]"))
  }

  @inlinable @inline(__always)
  mutating func stepToNext(closing: UInt8) throws(JSONError) -> Bool {
    let byte = try peek()
    if byte == closing {
      position &+= 1
      isAtStart = false
      return false
    }
    if isAtStart {
      isAtStart = false
      return true
    }
    guard byte == UInt8(ascii: ",") else { throw unexpected }
    position &+= 1
    return true
  }

  // MARK: Values

  /// Kind of the next value, to which white space is stepped over. Judged by its first byte alone.
  @inlinable @inline(__always)
  package mutating func peekKind() throws(JSONError) -> JSONKind {
    switch try peek() {
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "n"): return .null
    default: throw unexpected
    }
  }

  /// Steps over one value and everything in it, and over white space before it.
  /// - Parameter depth: Containers around the value that count towards the limit.
  @inlinable @inline(__always)
  package mutating func takeValue(depth: Int = 0) throws(JSONError) -> JSONSpan {
    let kind = try peekKind()
    let start = position
    var hasEscapes = false
    if kind == .object || kind == .array {
      position = try endOfContainer(depth: depth)
    } else {
      hasEscapes = try takeScalar(kind)
    }
    return JSONSpan(kind: kind, hasEscapes: hasEscapes, start: start, end: position)
  }

  /// Steps over the value at the cursor, which is no container. True for a string with escapes.
  @inlinable @inline(__always)
  mutating func takeScalar(_ kind: JSONKind) throws(JSONError) -> Bool {
    if kind == .string { return try takeString().hasEscapes }
    position = kind == .number ? try endOfNumber() : try endOfLiteral()
    return false
  }

  @usableFromInline
  func endOfContainer(depth: Int) throws(JSONError) -> Int {
    if let end = endOfEmptyContainer(depth: depth) { return end }
    return try endOfFullContainer(depth: depth)
  }

  /// Most deltas carry one (`"logprobs":[]`); the nesting stack would cost more than all the rest.
  private func endOfEmptyContainer(depth: Int) -> Int? {
    guard depth < Self.depthLimit, position &+ 1 < text.count else { return nil }
    // `{` and `}`, `[` and `]` are two apart, in ASCII.
    return text[position &+ 1] == text[position] &+ 2 ? position &+ 2 : nil
  }

  private func endOfFullContainer(depth: Int) throws(JSONError) -> Int {
    var cursor = self
    var nesting = NestingStack()
    while true {
      let kind = try cursor.peekKind()
      if kind == .object || kind == .array {
        guard depth &+ nesting.depth < Self.depthLimit, nesting.push(isObject: kind == .object)
        else { throw JSONError(.tooDeep, at: cursor.position) }
        cursor.position &+= 1
        cursor.isAtStart = true
      } else {
        _ = try cursor.takeScalar(kind)
      }
      // A container was entered or a value stepped over: on to the next value, out of all containers
      // that end here.
      while nesting.isInObject ? try cursor.nextKey() == nil : try !cursor.nextElement() {
        nesting.pop()
        if nesting.depth == 0 { return cursor.position }
      }
    }
  }

  /// `true`, `false` or `null`, by the first letter.
  @usableFromInline
  func endOfLiteral() throws(JSONError) -> Int {
    let literal: StaticString =
      switch text[position] {
      case UInt8(ascii: "t"): "true"
      case UInt8(ascii: "f"): "false"
      default: "null"
      }
    for index in 0..<literal.utf8CodeUnitCount {
      guard position &+ index < text.count else { throw JSONError(.unexpectedEnd, at: text.count) }
      guard text[position &+ index] == literal.utf8Start[index] else {
        throw JSONError(.unexpectedByte, at: position &+ index)
      }
    }
    return position &+ literal.utf8CodeUnitCount
  }
}
