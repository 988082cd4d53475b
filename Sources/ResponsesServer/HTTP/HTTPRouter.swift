import RWSNetwork
import RWSWebSocket

/// Decides what becomes of an HTTP request.
struct HTTPRouter {
  enum Decision: Equatable {
    case upgrade
    case answer(HTTPAnswer)
    case create
    case compact
    case countInputTokens
    case retrieve(String, QueryString)
    case delete(String)
    case cancel(String)
    case inputItems(String, QueryString)
    case conversation(ConversationService.Call)
    case addFaults
    case clearFaults
  }

  /// nil: nobody is turned away.
  let apiKey: String?
  /// Whether faults may be set over HTTP.
  let hasControl: Bool
  /// The status for a wrong key, or none.
  let keyRefusal: Int

  /// An upgrade must name a model.
  let wantsModelInURL: Bool

  init(apiKey: String?, hasControl: Bool, dialect: Dialect = .openAI) {
    self.apiKey = apiKey
    self.hasControl = hasControl
    keyRefusal = dialect.has(.forbidsKeys) ? 403 : 401
    wantsModelInURL = dialect.has(.wantsModelInURL)
  }

  func decide(_ request: ServerRequest) -> Decision {
    guard isAuthorised(request) else {
      return refuse(
        .invalid(
          "Incorrect API key provided. Send the key this server was started with (--api-key) as"
            + " 'Authorization: Bearer <key>'.", code: "invalid_api_key", status: keyRefusal))
    }
    let path = Self.canonical(request.target.prefix { $0 != "?" })
    let query = QueryString(target: request.target)
    let routes = routes(of: path, query)
    guard !routes.isEmpty else {
      return refuse(
        .invalid("Invalid URL (\(request.method) \(path))", code: "unknown_url", status: 404))
    }
    guard let decision = routes.first(where: { $0.key == request.method })?.value else {
      return .answer(
        HTTPAnswer(
          refusing: .invalid("Invalid method for URL (\(request.method) \(path))", status: 405),
          fields: HTTPFields(["Allow": routes.map(\.key).joined(separator: ", ")])))
    }
    if decision == .upgrade, wantsModelInURL, query["model"] == nil {
      return refuse(
        .invalid(
          "This endpoint wants the model in its URL, as in /v1/responses?model=NAME.",
          param: "model", status: 403))
    }
    if decision == .upgrade, !request.isWebSocketUpgrade {
      return .answer(
        HTTPAnswer(
          refusing: .invalid(
            "This endpoint speaks WebSocket: send an Upgrade request (RFC 6455), or POST.",
            status: 426),
          fields: HTTPFields(["Upgrade": "websocket"])))
    }
    return decision
  }

  /// Azure and the Codex route have the same endpoints elsewhere.
  private static func canonical(_ path: Substring) -> String {
    for prefix in ["/openai/v1/", "/backend-api/codex/"] where path.hasPrefix(prefix) {
      return "/v1/" + path.dropFirst(prefix.count)
    }
    return String(path)
  }

  /// What each method does there; empty for a path that is not known.
  private func routes(of path: String, _ query: QueryString) -> KeyValuePairs<String, Decision> {
    switch path {
    case "/v1/responses": return ["GET": .upgrade, "POST": .create]
    case "/v1/responses/compact": return ["POST": .compact]
    case "/v1/responses/input_tokens": return ["POST": .countInputTokens]
    case "/v1/models": return ["GET": .answer(HTTPAnswer(status: 200, json: Self.models))]
    case "/v1/_faults" where hasControl: return ["POST": .addFaults, "DELETE": .clearFaults]
    default: break
    }
    if let id = Self.name(in: path, after: "/v1/responses/") {
      return ["GET": .retrieve(id, query), "DELETE": .delete(id)]
    }
    if let id = Self.name(in: path, after: "/v1/responses/", before: "/input_items") {
      return ["GET": .inputItems(id, query)]
    }
    if let id = Self.name(in: path, after: "/v1/responses/", before: "/cancel") {
      return ["POST": .cancel(id)]
    }
    if let calls = Self.conversationCalls(of: path, query) { return calls }
    if let id = Self.name(in: path, after: "/v1/models/"), Self.modelNames.contains(id) {
      return ["GET": .answer(HTTPAnswer(status: 200, json: Self.model(id)))]
    }
    return [:]
  }

  static func name(
    in path: String, after prefix: String, before suffix: String = ""
  ) -> String? {
    guard path.hasPrefix(prefix), path.hasSuffix(suffix) else { return nil }
    let name = path.dropFirst(prefix.count).dropLast(suffix.count)
    return name.isEmpty || name.contains("/") ? nil : QueryString.decoded(name)
  }

  /// The service takes a bearer token; Azure's dialect the bare key in `api-key`.
  private func isAuthorised(_ request: ServerRequest) -> Bool {
    guard let apiKey else { return true }
    if request.header("api-key") == apiKey { return true }
    guard let header = request.header("Authorization") else { return false }
    return header.lowercased().hasPrefix("bearer ") && header.dropFirst(7) == apiKey
  }

  private func refuse(_ error: RequestError) -> Decision {
    .answer(HTTPAnswer(refusing: error))
  }

  private static let modelNames = ["explorer", "gpt-6-rules", "rules"]

  private static func model(_ name: String) -> String {
    #"{"id":"\#(name)","object":"model","created":1763683200,"owned_by":"responsesws-server"}"#
  }

  private static let models =
    #"{"object":"list","data":[\#(modelNames.map(model).joined(separator: ","))]}"#
}
