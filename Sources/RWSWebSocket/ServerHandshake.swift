/// A client's valid request to upgrade (RFC 6455 §4.2.1), waiting for the server's decision.
package struct UpgradeRequest: Equatable, Sendable {
  package let head: HTTPRequestHead
  /// In the client's order of preference.
  package let subprotocols: [String]
  private let acceptKey: String

  /// The first of the client's offers of permessage-deflate that can be met, in its order of preference
  /// (RFC 7692 §5.1, §7.1). nil: none can, and the extension is declined by not answering it.
  package func acceptDeflate(preferring preferred: DeflateParameters) -> DeflateAcceptance? {
    for member in WebSocketExtension.list(in: head.fields) ?? []
    where member.name == DeflateParameters.extensionName {
      if let acceptance = DeflateOffer(member)?.accepted(preferring: preferred) {
        return acceptance
      }
    }
    return nil
  }

  fileprivate init(head: HTTPRequestHead, key: String) {
    self.head = head
    subprotocols = head.fields.list("Sec-WebSocket-Protocol")
    acceptKey = AcceptKey.answering(key)
  }

  /// Writes the 101 answer (§4.2.2); frames follow it. Other extensions are left unanswered: that declines
  /// them.
  package func writeAcceptance(
    subprotocol: String? = nil, deflate: DeflateAcceptance? = nil, fields: HTTPFields = HTTPFields(), to output: inout ByteBuffer
  ) throws(HTTPWriteError) {
    var all = HTTPFields()
    all.append("Upgrade", "websocket")
    all.append("Connection", "Upgrade")
    all.append("Sec-WebSocket-Accept", acceptKey)
    if let subprotocol { all.append("Sec-WebSocket-Protocol", subprotocol) }
    if let deflate { all.append(WebSocketExtension.field, deflate.fieldValue) }
    all.append(contentsOf: fields)
    try HTTPHead.writeAnswer(status: 101, all, to: &output)
  }
}

/// A request that the server must refuse.
package struct RequestRefusal: Error, Equatable, Sendable {
  package let status: Int
  /// To be sent with the answer.
  package let fields: HTTPFields
  /// One sentence for the answer's body.
  package let explanation: String
}

/// The first request on a server's connection: an upgrade, an ordinary request, or neither.
package struct ServerHandshake: Sendable {
  package enum Step: Equatable, Sendable {
    case needMore
    /// What is left in the input are the client's frames.
    case upgrade(UpgradeRequest)
    /// What is left in the input is the body; read it with `HTTPBodyReader(framing)`.
    case request(HTTPRequestHead, HTTPBodyFraming)
    case refused(RequestRefusal)
  }

  private enum State {
    case head(HTTPHeadReader<HTTPRequestLine>)
    case done(Step)
  }

  private var state = State.head(HTTPHeadReader())

  package init() {}

  /// Call after each read until the answer is not `needMore`.
  package mutating func next(_ input: inout ByteBuffer) -> Step {
    switch state {
    case .done(let step): return step
    case .head(var reader):
      let step: Step
      do throws(HTTPHeadError) {
        guard let head = try reader.next(&input) else {
          state = .head(reader)
          return .needMore
        }
        step = Self.classify(head)
      } catch {
        step = Self.refuse(Self.status(for: error), error.description)
      }
      state = .done(step)
      return step
    }
  }

  private static func classify(_ head: HTTPRequestHead) -> Step {
    let framing: HTTPBodyFraming
    do throws(HTTPBodyError) {
      framing = try HTTPBodyFraming(of: head)
    } catch {
      return refuse(400, error.description)
    }
    guard head.start.minorVersion == 0 || head.fields.values("Host").count == 1 else {
      return refuse(400, "the request needs exactly one Host header (RFC 9112 section 3.2)")
    }
    guard head.fields.list("Upgrade", contains: "websocket") else {
      return .request(head, framing)
    }
    return classify(upgrade: head, framing)
  }

  /// §4.2.1, in its order.
  private static func classify(upgrade head: HTTPRequestHead, _ framing: HTTPBodyFraming) -> Step {
    guard head.method == "GET" else {
      return refuse(405, "a WebSocket upgrade must be a GET request", HTTPFields(["Allow": "GET"]))
    }
    guard head.start.minorVersion >= 1 else {
      return refuse(400, "a WebSocket upgrade needs HTTP/1.1")
    }
    guard framing == .length(0) else {
      return refuse(400, "a WebSocket upgrade must not have a body")
    }
    guard head.fields.list("Connection", contains: "Upgrade") else {
      return refuse(400, "the header 'Connection: Upgrade' is missing")
    }
    guard head.fields.values("Sec-WebSocket-Version") == ["13"] else {
      return refuse(
        426, "only WebSocket version 13 is supported", HTTPFields(["Sec-WebSocket-Version": "13"]))
    }
    let keys = head.fields.values("Sec-WebSocket-Key")
    guard let key = keys.first, keys.count == 1, Base64.decodedCount(key) == 16 else {
      return refuse(400, "the request needs one Sec-WebSocket-Key of 16 bytes in base64")
    }
    return .upgrade(UpgradeRequest(head: head, key: key))
  }

  private static func refuse(
    _ status: Int, _ explanation: String, _ fields: HTTPFields = HTTPFields()
  ) -> Step {
    .refused(RequestRefusal(status: status, fields: fields, explanation: explanation))
  }

  private static func status(for error: HTTPHeadError) -> Int {
    switch error {
    case .tooLarge, .tooManyFields: 431
    case .notHTTP, .malformedStartLine, .malformedField, .foldedField, .bareLineBreak: 400
    }
  }
}
