import RWSNetwork
import RWSWebSocket

/// Decides what becomes of an HTTP request: an upgrade to a WebSocket, or an answer.
struct HTTPRouter {
  enum Decision {
    case upgrade
    case answer(HTTPAnswer)
  }

  /// nil: nobody is turned away.
  let apiKey: String?

  func decide(_ request: ServerRequest) -> Decision {
    guard isAuthorised(request) else {
      return refuse(
        401,
        .invalid(
          "Incorrect API key provided. Send the key this server was started with (--api-key) as"
            + " 'Authorization: Bearer <key>'.", code: "invalid_api_key"))
    }
    let path = request.target.prefix { $0 != "?" }
    switch (request.method, path) {
    case ("GET", "/v1/responses"):
      if request.isWebSocketUpgrade { return .upgrade }
      return refuse(
        426,
        .invalid("This endpoint speaks WebSocket: send an Upgrade request (RFC 6455)."),
        fields: ["Upgrade": "websocket"])
    case ("POST", "/v1/responses"):
      return refuse(
        501,
        .invalid(
          "This server answers responses over WebSocket only: connect to this URL with ws:// or"
            + " wss://.", code: "not_implemented"))
    case ("GET", "/v1/models"):
      return .answer(HTTPAnswer(status: 200, json: Self.models))
    case (let method, let path):
      return refuse(
        404, .invalid("Invalid URL (\(method) \(path))", code: "unknown_url"))
    }
  }

  /// The service takes a bearer token; Azure's dialect the bare key in `api-key`.
  private func isAuthorised(_ request: ServerRequest) -> Bool {
    guard let apiKey else { return true }
    if request.header("api-key") == apiKey { return true }
    guard let header = request.header("Authorization") else { return false }
    return header.lowercased().hasPrefix("bearer ") && header.dropFirst(7) == apiKey
  }

  private func refuse(
    _ status: Int, _ error: RequestError, fields: HTTPFields = HTTPFields()
  ) -> Decision {
    .answer(
      HTTPAnswer(
        status: status, fields: fields,
        json: String(decoding: ErrorFrame.httpBody(error), as: UTF8.self)))
  }

  private func refuse(
    _ status: Int, _ error: RequestError, fields: KeyValuePairs<String, String>
  ) -> Decision {
    refuse(status, error, fields: HTTPFields(fields))
  }

  private static let models = #"""
    {"object":"list","data":[\#
    {"id":"explorer","object":"model","created":1763683200,"owned_by":"responsesws-server"},\#
    {"id":"rules","object":"model","created":1763683200,"owned_by":"responsesws-server"}]}
    """#
}
