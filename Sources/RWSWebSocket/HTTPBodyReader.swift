/// Why a body cannot be read.
package enum HTTPBodyError: Error, Equatable, Sendable {
  case invalidContentLength
  case unsupportedTransferCoding(String)
  case malformedChunk
  /// The stream ended inside the body.
  case truncated
}

extension HTTPBodyError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .invalidContentLength: "the Content-Length fields are malformed or contradict each other"
    case .unsupportedTransferCoding(let coding): "the transfer coding '\(coding)' is not supported"
    case .malformedChunk: "a chunk of the body is malformed (RFC 9112 section 7.1)"
    case .truncated: "the connection ended inside the body"
    }
  }
}

/// Where a message's body ends (RFC 9112 §6.3).
package enum HTTPBodyFraming: Equatable, Sendable {
  case length(Int)
  case chunked
  case untilEOF

  package init(of head: HTTPResponseHead) throws(HTTPBodyError) {
    switch head.status {
    case 100...199, 204, 304: self = .length(0)
    default: self = try HTTPBodyFraming(head.fields) ?? .untilEOF
    }
  }

  package init(of head: HTTPRequestHead) throws(HTTPBodyError) {
    self = try HTTPBodyFraming(head.fields) ?? .length(0)
  }

  private init?(_ fields: HTTPFields) throws(HTTPBodyError) {
    let codings = fields.list("Transfer-Encoding")
    if let first = codings.first {
      guard codings.count == 1, HTTPSyntax.equalsIgnoringCase(first, "chunked") else {
        throw .unsupportedTransferCoding(codings.joined(separator: ", "))
      }
      // §6.1: both at once is how requests are smuggled. There is no honest reason to guess.
      guard !fields.contains("Content-Length") else { throw .invalidContentLength }
      self = .chunked
      return
    }
    guard fields.contains("Content-Length") else { return nil }
    let lengths = fields.list("Content-Length")
    guard let first = lengths.first, lengths.allSatisfy({ $0 == first }),
      let length = HTTPSyntax.number(first.utf8)
    else { throw .invalidContentLength }
    self = .length(length)
  }
}

/// Takes a body out of the input, in parts as they arrive.
package struct HTTPBodyReader: Sendable {
  package enum Step {
    case needMore
    /// Valid until the next call or the next change of the input.
    case part(UnsafeRawBufferPointer)
    case end
  }

  private enum State {
    case counted(remaining: Int)
    case untilEOF
    case chunkSize
    case chunk(remaining: Int)
    case chunkEnd
    case trailer
    case ended
  }

  /// A chunk size with its extensions, or a trailer field.
  private static let lineBytesMax = 4096
  private static let trailerFieldsMax = 100

  private var state: State
  private var trailerFields = 0

  package init(_ framing: HTTPBodyFraming) {
    switch framing {
    case .length(let count): state = .counted(remaining: count)
    case .chunked: state = .chunkSize
    case .untilEOF: state = .untilEOF
    }
  }

  package mutating func next(_ input: inout ByteBuffer) throws(HTTPBodyError) -> Step {
    while true {
      switch state {
      case .counted(let remaining):
        guard remaining > 0 else {
          state = .ended
          return .end
        }
        guard let part = take(remaining, from: &input) else { return .needMore }
        state = .counted(remaining: remaining - part.count)
        return .part(part)
      case .untilEOF:
        guard let part = take(input.count, from: &input) else { return .needMore }
        return .part(part)
      case .chunkSize:
        guard let line = try takeLine(from: &input) else { return .needMore }
        let digits = HTTPSyntax.trimmingBlanks(line.prefix { $0 != UInt8(ascii: ";") })
        guard let size = HTTPSyntax.number(digits, radix: 16) else { throw .malformedChunk }
        state = size == 0 ? .trailer : .chunk(remaining: size)
      case .chunk(let remaining):
        guard let part = take(remaining, from: &input) else { return .needMore }
        state = part.count == remaining ? .chunkEnd : .chunk(remaining: remaining - part.count)
        return .part(part)
      case .chunkEnd:
        guard let line = try takeLine(from: &input) else { return .needMore }
        guard line.isEmpty else { throw .malformedChunk }
        state = .chunkSize
      case .trailer:
        guard let line = try takeLine(from: &input) else { return .needMore }
        trailerFields += 1
        guard trailerFields <= Self.trailerFieldsMax else { throw .malformedChunk }
        if line.isEmpty { state = .ended }
      case .ended:
        return .end
      }
    }
  }

  /// The peer ended the stream, and `next` has answered `needMore`.
  package mutating func receiveEOF() throws(HTTPBodyError) {
    switch state {
    case .untilEOF, .ended, .counted(remaining: 0): state = .ended
    case .counted, .chunkSize, .chunk, .chunkEnd, .trailer: throw .truncated
    }
  }

  private func take(_ countMax: Int, from input: inout ByteBuffer) -> UnsafeRawBufferPointer? {
    guard !input.isEmpty else { return nil }
    let part = UnsafeRawBufferPointer(rebasing: input.bytes.prefix(countMax))
    input.consume(part.count)
    return part
  }

  private func takeLine(
    from input: inout ByteBuffer
  ) throws(HTTPBodyError) -> UnsafeRawBufferPointer? {
    let head = input.bytes.prefix(Self.lineBytesMax)
    guard let end = head.firstIndex(of: UInt8(ascii: "\n")) else {
      guard head.count < Self.lineBytesMax else { throw .malformedChunk }
      return nil
    }
    guard end > 0, head[end - 1] == UInt8(ascii: "\r") else { throw .malformedChunk }
    let line = UnsafeRawBufferPointer(rebasing: head[..<(end - 1)])
    input.consume(end + 1)
    return line
  }
}
