/// What the caller gave cannot be made into an upgrade request.
package enum UpgradeRequestError: Error, Equatable, Sendable {
  case field(HTTPFieldError)
  /// The handshake itself sets this field (or it would give a GET a body).
  case reservedField(String)
  case invalidSubprotocol(String)
  /// The nonce is not 16 bytes (RFC 6455 §4.1).
  case invalidNonce
}

extension UpgradeRequestError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .field(let error): error.description
    case .reservedField(let name):
      "the header '\(name)' belongs to the WebSocket handshake and cannot be set"
    case .invalidSubprotocol(let name): "'\(name)' is no valid or no unique subprotocol name"
    case .invalidNonce: "the handshake needs 16 random bytes"
    }
  }
}

/// An answer to the upgrade request that is no valid WebSocket handshake (RFC 6455 §4.1).
package enum HandshakeFailure: Error, Equatable, Sendable {
  case head(HTTPHeadError)
  case tooManyInterimAnswers
  case missingUpgrade
  case missingConnectionUpgrade
  case wrongAcceptKey
  case unexpectedExtension(String)
  /// The server's answer to the offer of permessage-deflate is none that this offer allows (RFC 7692 §7.1).
  case invalidDeflateAnswer(String)
  case unexpectedSubprotocol(String)
  /// The stream ended before the answer was whole.
  case endOfStream
}

extension HandshakeFailure: CustomStringConvertible {
  package var description: String {
    switch self {
    case .head(let error): error.description
    case .tooManyInterimAnswers: "the server sent too many interim (1xx) answers"
    case .missingUpgrade:
      "the server answered 101 without 'Upgrade: websocket' (RFC 6455 section 4.1)"
    case .missingConnectionUpgrade:
      "the server answered 101 without 'Connection: Upgrade' (RFC 6455 section 4.1)"
    case .wrongAcceptKey:
      "the server's Sec-WebSocket-Accept does not match the request (RFC 6455 section 4.1); "
        + "something between may be answering for it"
    case .unexpectedExtension(let name):
      "the server uses the extension '\(name)', which was not offered (RFC 6455 section 4.1)"
    case .invalidDeflateAnswer(let value):
      "the server answered the offer of permessage-deflate with '\(value)', which the offer does not allow "
        + "(RFC 7692 section 7.1)"
    case .unexpectedSubprotocol(let name):
      "the server chose the subprotocol '\(name)', which was not offered (RFC 6455 section 4.1)"
    case .endOfStream: "the server closed the connection before it answered the upgrade request"
    }
  }
}

/// The opening handshake of a client (RFC 6455 §4.1).
///
///   awaiting ──101, all checks──▶ done (upgraded)
///      └──other status, with its body──▶ done (refused)
///
/// Redirects are not followed: a refusal with status 3xx goes to the caller, for credentials must not
/// travel to a place that the user did not name.
package struct ClientHandshake: Sendable {
  package enum Step: Equatable, Sendable {
    case needMore
    /// What is left in the input are frames.
    case upgraded(HTTPResponseHead)
    case refused(HTTPRefusal)
    case failed(HandshakeFailure)
  }

  private static let reservedFields = [
    "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version",
    "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Sec-WebSocket-Accept",
    "Content-Length", "Transfer-Encoding",
  ]

  private let request: HTTPRequestHead
  private let expectedAccept: String
  private let subprotocols: [String]
  private let deflateOffer: DeflateOffer?
  /// What was agreed on for permessage-deflate; nil before the upgrade, and without compression.
  package private(set) var deflate: DeflateParameters?
  private var answer = HTTPSwitchReader(switchingOn: 101...101)

  /// `nonce`: 16 bytes from a random source, new for each connection. `fields`: whatever else the request
  /// is to carry; a Host among them replaces the one made from the URL.
  package init(
    url: WebSocketURL, nonce: [UInt8], fields: HTTPFields = HTTPFields(),
    subprotocols: [String] = [], deflate: DeflateOffer? = nil
  ) throws(UpgradeRequestError) {
    guard nonce.count == 16 else { throw .invalidNonce }
    do throws(HTTPFieldError) { try fields.validate() } catch { throw .field(error) }
    for name in Self.reservedFields where fields.contains(name) { throw .reservedField(name) }
    for (index, name) in subprotocols.enumerated() {
      guard HTTPSyntax.isToken(name.utf8), !subprotocols[..<index].contains(name) else {
        throw .invalidSubprotocol(name)
      }
    }
    let key = Base64.encode(nonce)
    var all = HTTPFields()
    if !fields.contains("Host") { all.append("Host", url.authority) }
    all.append("Upgrade", "websocket")
    all.append("Connection", "Upgrade")
    all.append("Sec-WebSocket-Key", key)
    all.append("Sec-WebSocket-Version", "13")
    if !subprotocols.isEmpty {
      all.append("Sec-WebSocket-Protocol", subprotocols.joined(separator: ", "))
    }
    if let deflate { all.append(WebSocketExtension.field, deflate.description) }
    all.append(contentsOf: fields)
    request = HTTPHead(start: HTTPRequestLine(method: "GET", target: url.target), fields: all)
    expectedAccept = AcceptKey.answering(key)
    self.subprotocols = subprotocols
    deflateOffer = deflate
  }

  package func writeRequest(to output: inout ByteBuffer) throws(BufferFull) {
    try request.write(to: &output)
  }

  /// Call after each read until the answer is not `needMore`.
  package mutating func next(_ input: inout ByteBuffer) -> Step { judge(answer.next(&input)) }

  /// As `HTTPSwitchReader.receiveEOF`.
  package mutating func receiveEOF() -> Step { judge(answer.receiveEOF()) }

  private mutating func judge(_ step: HTTPSwitchReader.Step) -> Step {
    switch step {
    case .needMore: .needMore
    case .switched(let head):
      (violation(in: head) ?? agreeOnExtensions(head)).map { .failed($0) } ?? .upgraded(head)
    case .refused(let refusal): .refused(refusal)
    case .failed(.head(let error)): .failed(.head(error))
    case .failed(.tooManyInterimAnswers): .failed(.tooManyInterimAnswers)
    case .failed(.endOfStream): .failed(.endOfStream)
    }
  }

  private func violation(in head: HTTPResponseHead) -> HandshakeFailure? {
    guard head.fields.list("Upgrade", contains: "websocket") else { return .missingUpgrade }
    guard head.fields.list("Connection", contains: "Upgrade") else {
      return .missingConnectionUpgrade
    }
    guard head.fields.values("Sec-WebSocket-Accept") == [expectedAccept] else {
      return .wrongAcceptKey
    }
    let chosen = head.fields.values("Sec-WebSocket-Protocol")
    if let name = chosen.first, chosen.count > 1 || !subprotocols.contains(name) {
      return .unexpectedSubprotocol(name)
    }
    return nil
  }

  /// Sets `deflate`, the only extension there is.
  private mutating func agreeOnExtensions(_ head: HTTPResponseHead) -> HandshakeFailure? {
    let written = head.fields.values(WebSocketExtension.field).joined(separator: ", ")
    guard let answers = WebSocketExtension.list(in: head.fields) else {
      return .unexpectedExtension(written)
    }
    guard let answer = answers.first else { return nil }
    guard let deflateOffer, answer.name == DeflateParameters.extensionName else {
      return .unexpectedExtension(answer.name)
    }
    guard answers.count == 1, let agreed = deflateOffer.accepting(answer) else {
      return .invalidDeflateAnswer(written)
    }
    deflate = agreed
    return nil
  }
}
