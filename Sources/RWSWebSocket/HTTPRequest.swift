/// One request of a client, whole.
package struct HTTPRequest: Sendable {
  private let head: HTTPRequestHead
  private let body: [UInt8]

  /// What says how long the message is, and who gets it, is made here.
  private static let reservedFields = ["Content-Length", "Transfer-Encoding", "Connection", "Upgrade"]

  /// `fields`: whatever else the request is to carry; a Host among them replaces the one made from the URL.
  package init(
    _ method: String, _ url: WebSocketURL, fields: HTTPFields = HTTPFields(), body: [UInt8] = []
  ) throws(UpgradeRequestError) {
    do throws(HTTPFieldError) { try fields.validate() } catch { throw .field(error) }
    for name in Self.reservedFields where fields.contains(name) { throw .reservedField(name) }
    var all = HTTPFields()
    if !fields.contains("Host") { all.append("Host", url.authority) }
    if !body.isEmpty { all.append("Content-Length", String(body.count)) }
    all.append(contentsOf: fields)
    head = HTTPHead(start: HTTPRequestLine(method: method, target: url.target), fields: all)
    self.body = body
  }

  /// To make it twice is the same as once (RFC 9110 §9.2.1).
  package var isSafe: Bool { head.method == "GET" }

  package func write(to output: inout ByteBuffer) throws(BufferFull) {
    try head.write(to: &output)
    try output.append(body)
  }
}
