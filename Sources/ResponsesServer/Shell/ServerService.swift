import RWSNetwork
import RWSWebSocket

/// What the connections of a server share, and the answers that need no time.
final class ServerService {
  let router: HTTPRouter
  let faults: FaultScript
  let log: ServerLog?
  let acceptsDeflate: Bool
  var onRestart: () -> Void = {}
  private let configuration: ServerConfiguration
  private let store: ResponseStore
  private let limiter: RateLimiter
  private let meter: RequestMeter
  private var ids: IDSource
  private var connections = 0

  init(
    _ options: ServerOptions, _ configuration: ServerConfiguration, faults: FaultScript,
    log: ServerLog?, meter: RequestMeter, seed: UInt64
  ) {
    router = HTTPRouter(
      apiKey: options.apiKey, hasControl: options.hasControl, dialect: configuration.dialect)
    self.faults = faults
    self.log = log
    self.configuration = configuration
    self.meter = meter
    store = ResponseStore(responsesMax: configuration.storedResponsesMax)
    acceptsDeflate = options.acceptsDeflate
    limiter = RateLimiter(requestsPerMinute: configuration.requestsPerMinute)
    ids = IDSource(seed: seed)
  }

  /// Sent with every answer, unless that has them already.
  func fields(_ now: Int64, besides given: HTTPFields = HTTPFields()) -> HTTPFields {
    var fields = HTTPFields(["x-request-id": ids.next("req")])
    for header in limiter.headers(now) where !given.contains(header.name) {
      fields.append(header.name, header.value)
    }
    return fields
  }

  /// Of a WebSocket; requests over HTTP are of connection 0.
  func nextConnectionNumber() -> Int {
    connections += 1
    return connections
  }

  func makeConnection(
    for request: ServerRequest, number: Int = 0, openedAt: Int64? = nil
  ) -> ServerConnection {
    var configuration = configuration
    // A response over HTTP has no connection whose age could matter.
    if openedAt == nil { configuration.maxAgeNanoseconds = .max }
    return ServerConnection(
      configuration: configuration, store: store, seed: ids.nextWord(), openedAt: openedAt ?? 0,
      number: number, organization: request.header("OpenAI-Organization") ?? "", limiter: limiter,
      meter: meter, faults: faults)
  }

  func answer(
    _ decision: HTTPRouter.Decision, body: [UInt8], now: Int64
  ) throws(RequestError) -> HTTPAnswer {
    let contexts = ContextService(configuration: configuration, store: store, meter: meter)
    switch decision {
    case .answer(let answer): return answer
    case .compact: return try contexts.compact(body, now: now, ids: &ids)
    case .countInputTokens: return try contexts.countInputTokens(body)
    case .retrieve(let id, let query):
      guard let json = store.json(id) else { throw .responseNotFound(id) }
      if query["stream"] == "true" { throw .isNotInBackground("be streamed") }
      return HTTPAnswer(json: json)
    case .conversation(let call):
      return try ConversationService(
        store: store.conversations, unixSeconds: configuration.unixSeconds(now)
      ).answer(call, body, ids: &ids)
    case .inputItems(let id, let query):
      guard let input = store.input(id) else { throw .responseNotFound(id) }
      return try ItemList.page(of: input, query)
    case .cancel(let id):
      guard store.json(id) != nil else { throw .responseNotFound(id) }
      throw .isNotInBackground("be cancelled")
    case .delete(let id):
      guard store.delete(id) else { throw .responseNotFound(id) }
      return HTTPAnswer(
        status: 200, json: #"{"id":"\#(id)","object":"response.deleted","deleted":true}"#)
    case .addFaults:
      do throws(FaultScriptError) {
        try faults.add(body)
      } catch {
        throw .invalid(error.message)
      }
      return HTTPAnswer(status: 200, json: "{}")
    case .clearFaults:
      faults.clear()
      return HTTPAnswer(status: 200, json: "{}")
    case .upgrade, .create:
      // The connection's own to answer.
      return HTTPAnswer(status: 500)
    }
  }
}
