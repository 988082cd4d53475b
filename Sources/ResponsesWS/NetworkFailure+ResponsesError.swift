import RWSJSON
import RWSNetwork

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
    case .tls: self.init(.tls, failure.message)
    case .handshake: self.init(.handshake, failure.message)
    case .protocolViolation: self.init(.protocolViolation, failure.message)
    case .peerClosed: self.init(.peerClosed, failure.message)
    case .lost: self.init(.connectionLost, failure.message)
    case .messageTooLarge: self.init(.messageTooLarge, failure.message)
    case .resources: self.init(.resources, failure.message)
    case .closedLocally: self.init(.closed, failure.message)
    }
    closeCode = Int32(failure.closeCode ?? 0)
  }

  /// An HTTP answer to the upgrade: the API's own error if the body holds one.
  private init(refused answer: HTTPAnswer, _ message: String) {
    var fields = APIErrorFields(httpStatus: answer.status, headers: answer.headers.map {
      ($0.name, $0.value)
    })
    if let body = try? JSONValue(parsing: answer.body) { fields.read(body) }
    let ofAPI = answer.body.withUnsafeBytes {
      ResponsesError(fields, fallback: .upgradeRefused, body: $0)
    }
    self = ofAPI
    self.message = fields.message.isEmpty ? message : "\(message) It says: \(ofAPI.message)"
  }
}
