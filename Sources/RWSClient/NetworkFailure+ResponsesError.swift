import RWSJSON
import RWSNetwork
import RWSWebSocket

extension ResponsesError {
  /// The one table from what the network says to what the user gets.
  init(_ failure: NetworkFailure) {
    switch failure.kind {
    case .upgradeRefused(let answer):
      self.init(refused: answer, failure.message)
    case .resolve: self.init(.dns, failure.message)
    case .refused: self.init(.connectRefused, failure.message)
    case .unreachable: self.init(.connect, failure.message)
    case .timedOut: self.init(.connectTimeout, failure.message)
    case .tlsUntrusted: self.init(.tlsUntrusted, failure.message)
    case .tlsHostname: self.init(.tlsHostname, failure.message)
    case .tlsExpired: self.init(.tlsExpired, failure.message)
    case .tlsPin: self.init(.tlsPin, failure.message)
    case .tls: self.init(.tls, failure.message)
    case .proxy(let answer): self.init(.proxy, failure.message, answer)
    case .proxyUnauthorized(let answer): self.init(.proxyUnauthorized, failure.message, answer)
    case .handshake: self.init(.handshake, failure.message)
    case .protocolViolation: self.init(.protocolViolation, failure.message)
    case .peerClosed where failure.closeCode == 1009:
      self.init(
        .messageTooLarge, failure.message + " The request is too large for this server; send less.")
    case .peerClosed: self.init(.peerClosed, failure.message)
    case .lost, .dead, .stalled, .suspended: self.init(.connectionLost, failure.message)
    case .messageTooLarge: self.init(.messageTooLarge, failure.message)
    case .resources: self.init(.resources, failure.message)
    case .closedLocally, .closingTimedOut: self.init(.closed, failure.message)
    }
    closeCode = Int32(failure.closeCode ?? 0)
  }

  private init(_ status: Status, _ message: String, _ answer: HTTPAnswer?) {
    self.init(status, message)
    guard let answer else { return }
    httpStatus = Int32(clamping: answer.status)
    body = answer.body
  }

  /// Where a WebSocket was asked for.
  private init(refused answer: HTTPAnswer, _ message: String) {
    let fields = answer.errorFields
    self = answer.body.withUnsafeBytes {
      ResponsesError(fields, fallback: .upgradeRefused, body: $0)
    }
    if let reason = fields.message { self.message = "\(message) It says: \(reason)" } else { self.message = message }
  }

  /// Of an HTTP request, with another status than 2xx.
  init(refusal answer: HTTPAnswer) {
    self = answer.body.withUnsafeBytes {
      ResponsesError(answer.errorFields, fallback: .api, body: $0)
    }
    if (300...399).contains(answer.status) {
      message += " Redirects are not followed; use the address it names as base URL."
    }
  }
}

extension HTTPAnswer {
  /// The error event that the answer stands for: status, headers and the `error` of its body, if there is one.
  var errorEvent: [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("type", "error")
    writer.member("status", status)
    writer.key("headers")
    writer.beginObject()
    for field in fields.all { writer.member(field.name, field.value) }
    writer.endObject()
    if let error = (try? JSONValue(parsing: body))?["error"] { writer.member("error", error) }
    writer.endObject()
    return writer.bytes
  }

  fileprivate var errorFields: APIErrorFields {
    errorEvent.withUnsafeBytes { text in
      APIErrorFields((try? EventScanner.scan(text)) ?? ScannedEvent(), in: text)
    }
  }
}
