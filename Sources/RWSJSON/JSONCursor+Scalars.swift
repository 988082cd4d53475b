extension JSONCursor {
  // MARK: Strings (RFC 8259 §7)

  /// Steps over the string whose quote is at the cursor.
  @inlinable @inline(__always)
  package mutating func takeString() throws(JSONError) -> JSONStringSpan {
    let start = position &+ 1
    let end = text.endOfPlainRun(from: start)
    if end < text.count, text[end] == UInt8(ascii: "\"") {
      position = end &+ 1
      return JSONStringSpan(start: start, end: end, hasEscapes: false)
    }
    let string = try stringThatIsNotPlain(start: start, plainUpTo: end)
    position = string.end &+ 1
    return string
  }

  @usableFromInline @inline(never)
  func stringThatIsNotPlain(start: Int, plainUpTo: Int) throws(JSONError) -> JSONStringSpan {
    var index = plainUpTo
    var hasEscapes = false
    while true {
      guard index < text.count else { throw JSONError(.unexpectedEnd, at: text.count) }
      let byte = text[index]
      if byte == ASCII.quote {
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
        // Most scripts beyond ASCII come in runs.
        repeat {
          let length = text.lengthOfUTF8Sequence(at: index)
          guard length > 0 else { throw JSONError(.invalidUTF8, at: index) }
          index &+= length
        } while index < text.count && text[index] >= 0x80
      }
      index = text.endOfPlainRun(from: index)
    }
  }

  // MARK: Numbers (RFC 8259 §6)

  /// The end of the number that begins at the cursor; what follows it is not looked at.
  @usableFromInline
  func endOfNumber() throws(JSONError) -> Int {
    var index = position
    if text[index] == ASCII.minus { index &+= 1 }
    if byte(at: index) == ASCII.zero {
      index &+= 1
      if isDigit(at: index) { throw JSONError(.invalidNumber, at: index) }
    } else {
      index = try endOfDigits(from: index)
    }
    if byte(at: index) == ASCII.point { index = try endOfDigits(from: index &+ 1) }
    if byte(at: index) | 0x20 == UInt8(ascii: "e") {
      index &+= 1
      if byte(at: index) == ASCII.plus || byte(at: index) == ASCII.minus { index &+= 1 }
      index = try endOfDigits(from: index)
    }
    return index
  }

  /// One digit or more.
  private func endOfDigits(from start: Int) throws(JSONError) -> Int {
    guard isDigit(at: start) else {
      throw JSONError(start < text.count ? .invalidNumber : .unexpectedEnd, at: start)
    }
    var index = start &+ 1
    while isDigit(at: index) { index &+= 1 }
    return index
  }

  private func isDigit(at index: Int) -> Bool { byte(at: index) &- ASCII.zero <= 9 }

  /// NUL past the end: it is part of no number.
  private func byte(at index: Int) -> UInt8 { index < text.count ? text[index] : 0 }

  // MARK: Between the values

  /// Requires that only white space is left.
  @inlinable @inline(__always)
  package mutating func finish() throws(JSONError) {
    guard position < text.count else { return }
    position = endOfWhiteSpace()
    if position < text.count { throw JSONError(.trailingBytes, at: position) }
  }

  /// The next byte that is not white space; the cursor stays before it.
  @inlinable @inline(__always)
  mutating func peek() throws(JSONError) -> UInt8 {
    if position < text.count, text[position] > UInt8(ascii: " ") { return text[position] }
    position = endOfWhiteSpace()
    guard position < text.count else { throw JSONError(.unexpectedEnd, at: text.count) }
    return text[position]
  }

  @usableFromInline
  func endOfWhiteSpace() -> Int {
    var index = position
    while index < text.count {
      switch text[index] {
      case ASCII.space, ASCII.lineFeed, ASCII.carriageReturn, ASCII.tab: index &+= 1
      default: return index
      }
    }
    return index
  }

  @usableFromInline
  var unexpected: JSONError {
    position < text.count
      ? JSONError(.unexpectedByte, at: position) : JSONError(.unexpectedEnd, at: text.count)
  }
}
