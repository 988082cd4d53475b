/// Why an answer was not written; nothing of it is in the output then.
package enum HTTPWriteError: Error, Equatable, Sendable {
  case field(HTTPFieldError)
  case outputFull(limitBytes: Int)
}

extension HTTPWriteError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .field(let error): error.description
    case .outputFull(let limit): "more than \(limit) bytes would be waiting to be sent"
    }
  }
}

/// An ordinary answer of the server.
package struct HTTPAnswer: Equatable, Sendable {
  package var status: Int
  package var fields: HTTPFields
  package var body: [UInt8]

  package init(status: Int, fields: HTTPFields = HTTPFields(), body: [UInt8] = []) {
    self.status = status
    self.fields = fields
    self.body = body
  }

  package init(status: Int, fields: HTTPFields = HTTPFields(), json: String) {
    self.init(status: status, fields: fields, body: Array(json.utf8))
    self.fields.append("Content-Type", "application/json")
  }

  /// `closes`: the connection ends after it; `isHead`: the body stays out (RFC 9110 §9.3.2).
  package func write(
    to output: inout ByteBuffer, closes: Bool = true, isHead: Bool = false
  ) throws(HTTPWriteError) {
    var all = fields
    all.append("Content-Length", String(body.count))
    if closes { all.append("Connection", "close") }
    try HTTPHead.writeAnswer(status: status, all, body: isHead ? [] : body, to: &output)
  }

  /// The head alone of an answer whose body comes in parts: in chunks (RFC 9112 §7.1), or up to the end of the
  /// connection.
  package static func writeHead(
    status: Int, _ fields: HTTPFields, isChunked: Bool, closes: Bool, to output: inout ByteBuffer
  ) throws(HTTPWriteError) {
    var all = fields
    if isChunked { all.append("Transfer-Encoding", "chunked") }
    if closes { all.append("Connection", "close") }
    try HTTPHead.writeAnswer(status: status, all, to: &output)
  }

  /// An empty chunk is the last.
  package static func writeChunk(
    _ bytes: [UInt8], to output: inout ByteBuffer
  ) throws(BufferFull) {
    try output.append(String(bytes.count, radix: 16) + "\r\n")
    try output.append(bytes)
    try output.append("\r\n")
  }
}

extension HTTPHead where Start == HTTPStatusLine {
  static func writeAnswer(
    status: Int, _ fields: HTTPFields, body: [UInt8] = [], to output: inout ByteBuffer
  ) throws(HTTPWriteError) {
    do throws(HTTPFieldError) { try fields.validate() } catch { throw .field(error) }
    let start = HTTPStatusLine(status: status, reason: HTTPStatus.reason(status))
    do throws(BufferFull) {
      var whole = ByteBuffer(bytesMax: output.bytesMax)
      try HTTPHead(start: start, fields: fields).write(to: &whole)
      try whole.append(body)
      try output.append(whole.bytes)
    } catch {
      throw .outputFull(limitBytes: error.limitBytes)
    }
  }
}

enum HTTPStatus {
  /// The phrase for the status line; empty for codes that this library has no use for.
  static func reason(_ status: Int) -> String {
    switch status {
    case 101: "Switching Protocols"
    case 200: "OK"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 413: "Content Too Large"
    case 426: "Upgrade Required"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 503: "Service Unavailable"
    default: ""
    }
  }
}
