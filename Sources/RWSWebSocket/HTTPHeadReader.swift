/// Why the bytes are no HTTP/1.1 head.
package enum HTTPHeadError: Error, Equatable, Sendable {
  /// The first bytes are something else altogether (TLS, another protocol, HTTP/2).
  case notHTTP
  case malformedStartLine
  /// The number of the line in the head, the start line being 1.
  case malformedField(line: Int)
  /// A line break inside a value (RFC 9112 §5.2): a way to smuggle fields, refused.
  case foldedField(line: Int)
  /// CR without LF or LF without CR.
  case bareLineBreak(line: Int)
  case tooLarge(limitBytes: Int)
  case tooManyFields(limit: Int)
}

extension HTTPHeadError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notHTTP: "the peer does not speak HTTP/1.1; check scheme, host and port"
    case .malformedStartLine: "the first line of the HTTP head is malformed"
    case .malformedField(let line): "line \(line) of the HTTP head is no valid header field"
    case .foldedField(let line): "line \(line) of the HTTP head continues a header field"
    case .bareLineBreak(let line): "line \(line) of the HTTP head does not end in CR LF"
    case .tooLarge(let limit): "the HTTP head is larger than \(limit) bytes"
    case .tooManyFields(let limit): "the HTTP head has more than \(limit) header fields"
    }
  }
}

/// Takes an HTTP/1.1 head out of the input (RFC 9112 §2–5), line by line as it arrives, so that what is
/// wrong is refused when it is seen. What follows the head stays in the input.
package struct HTTPHeadReader<Start: HTTPStartLine>: Sendable {
  package struct Limits: Sendable {
    package var bytesMax = 64 * 1024
    package var fieldsMax = 100

    package init() {}
  }

  private let limits: Limits
  private var start: Start?
  private var fields = HTTPFields()
  private var lines = 1
  /// Bytes of the lines taken so far.
  private var taken = 0
  /// Bytes of the current line without a line break in them.
  private var scanned = 0

  package init(limits: Limits = Limits()) {
    self.limits = limits
  }

  /// The head once it is whole; nil: more bytes are needed. After a head or an error the reader is spent.
  package mutating func next(
    _ input: inout ByteBuffer
  ) throws(HTTPHeadError) -> HTTPHead<Start>? {
    while true {
      let bytes = input.bytes
      guard start != nil || Start.canBegin(with: bytes) else { throw .notHTTP }
      guard let end = bytes[scanned...].firstIndex(of: UInt8(ascii: "\n")) else {
        scanned = bytes.count
        guard taken + scanned < limits.bytesMax else {
          throw .tooLarge(limitBytes: limits.bytesMax)
        }
        return nil
      }
      guard taken + end < limits.bytesMax else { throw .tooLarge(limitBytes: limits.bytesMax) }
      guard end > 0, bytes[end - 1] == UInt8(ascii: "\r") else {
        throw .bareLineBreak(line: lines)
      }
      let line = UnsafeRawBufferPointer(rebasing: bytes[..<(end - 1)])
      let head = try take(line)
      input.consume(end + 1)
      taken += end + 1
      scanned = 0
      lines += 1
      if let head { return head }
    }
  }

  private mutating func take(
    _ line: UnsafeRawBufferPointer
  ) throws(HTTPHeadError) -> HTTPHead<Start>? {
    guard !line.contains(UInt8(ascii: "\r")) else { throw .bareLineBreak(line: lines) }
    guard let start else {
      guard let parsed = Start.parse(line) else { throw .malformedStartLine }
      start = parsed
      return nil
    }
    guard let first = line.first else { return HTTPHead(start: start, fields: fields) }
    guard !HTTPSyntax.isBlank(first) else { throw .foldedField(line: lines) }
    guard fields.all.count < limits.fieldsMax else {
      throw .tooManyFields(limit: limits.fieldsMax)
    }
    // §5.1: a blank between name and colon is an error; `isToken` refuses it.
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")), HTTPSyntax.isToken(line[..<colon])
    else { throw .malformedField(line: lines) }
    let value = HTTPSyntax.trimmingBlanks(line[(colon + 1)...])
    guard HTTPSyntax.isFieldValue(value) else { throw .malformedField(line: lines) }
    fields.append(
      String(decoding: line[..<colon], as: UTF8.self), String(decoding: value, as: UTF8.self))
    return nil
  }
}
