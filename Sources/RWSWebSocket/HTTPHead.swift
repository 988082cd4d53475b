/// The first line of a request or a response, and how it is told from what is not HTTP/1.1 at all.
package protocol HTTPStartLine: Equatable, Sendable {
  /// False as soon as the bytes so far cannot begin such a line: a peer that speaks another protocol may
  /// never send a line break, and the user should hear of it before a time limit.
  static func canBegin(with bytes: UnsafeRawBufferPointer) -> Bool
  static func parse(_ line: UnsafeRawBufferPointer) -> Self?
}

/// `HTTP/1.1 101 Switching Protocols` (RFC 9112 §4).
package struct HTTPStatusLine: HTTPStartLine {
  package let minorVersion: Int
  package let status: Int
  package let reason: String

  package init(minorVersion: Int = 1, status: Int, reason: String) {
    self.minorVersion = minorVersion
    self.status = status
    self.reason = reason
  }

  package static func canBegin(with bytes: UnsafeRawBufferPointer) -> Bool {
    zip(bytes, "HTTP/1.".utf8).allSatisfy { $0 == $1 }
  }

  package static func parse(_ line: UnsafeRawBufferPointer) -> HTTPStatusLine? {
    guard line.count >= 12, let minorVersion = HTTPVersion.minor(of: line.prefix(8)),
      line[8] == UInt8(ascii: " "), let status = HTTPSyntax.number(line[9..<12]),
      (100...599).contains(status)
    else { return nil }
    // The blank before an empty reason is required, and left out by some servers.
    guard line.count == 12 || line[12] == UInt8(ascii: " ") else { return nil }
    let reason = line.dropFirst(13)
    guard HTTPSyntax.isFieldValue(reason) else { return nil }
    return HTTPStatusLine(
      minorVersion: minorVersion, status: status, reason: String(decoding: reason, as: UTF8.self))
  }
}

/// `GET /v1/responses HTTP/1.1` (RFC 9112 §3).
package struct HTTPRequestLine: HTTPStartLine {
  package let method: String
  package let target: String
  package let minorVersion: Int

  package init(method: String, target: String, minorVersion: Int = 1) {
    self.method = method
    self.target = target
    self.minorVersion = minorVersion
  }

  package static func canBegin(with bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\r") }
      .allSatisfy(HTTPSyntax.isTokenByte)
  }

  package static func parse(_ line: UnsafeRawBufferPointer) -> HTTPRequestLine? {
    let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard parts.count == 3, HTTPSyntax.isToken(parts[0]), !parts[1].isEmpty,
      parts[1].allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
      let minorVersion = HTTPVersion.minor(of: parts[2])
    else { return nil }
    return HTTPRequestLine(
      method: String(decoding: parts[0], as: UTF8.self),
      target: String(decoding: parts[1], as: UTF8.self), minorVersion: minorVersion)
  }
}

enum HTTPVersion {
  /// The digit after `HTTP/1.`; nil for everything else.
  static func minor(of bytes: some Collection<UInt8>) -> Int? {
    guard bytes.count == 8, bytes.starts(with: "HTTP/1.".utf8) else { return nil }
    return HTTPSyntax.number(bytes.suffix(1))
  }
}

package struct HTTPHead<Start: HTTPStartLine>: Equatable, Sendable {
  package let start: Start
  package var fields: HTTPFields
}

package typealias HTTPRequestHead = HTTPHead<HTTPRequestLine>
package typealias HTTPResponseHead = HTTPHead<HTTPStatusLine>

extension HTTPHead where Start == HTTPStatusLine {
  package var status: Int { start.status }
  package var reason: String { start.reason }

  /// `HTTP/1.1 …`, the fields, the empty line. The fields must be valid.
  func write(to output: inout ByteBuffer) throws(BufferFull) {
    try output.append("HTTP/1.1 \(status) \(reason)\r\n" + fields.encoded)
  }
}

extension HTTPHead where Start == HTTPRequestLine {
  package var method: String { start.method }
  package var target: String { start.target }

  /// `GET … HTTP/1.1`, the fields, the empty line. The fields must be valid.
  func write(to output: inout ByteBuffer) throws(BufferFull) {
    try output.append("\(method) \(target) HTTP/1.1\r\n" + fields.encoded)
  }
}

extension HTTPFields {
  fileprivate var encoded: String {
    all.map { "\($0.name): \($0.value)\r\n" }.joined() + "\r\n"
  }
}
