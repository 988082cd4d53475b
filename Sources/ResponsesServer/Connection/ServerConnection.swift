import RWSJSON

/// The protocol of one connection, without its socket: text in, events with their times out.
///
///     receive(text) ─▶ refused: an error frame
///                  └─▶ lane's queue ─▶ begins when the lane is free and fewer than 16 are in flight
///                                       ├─▶ rejected: an error frame; the referenced response may be evicted
///                                       └─▶ events, each when it is due ─▶ terminal event commits to the caches
///
/// Owns no clock: the caller gives the time (nanoseconds, monotonic) and calls `tick` at `nextDeadline`.
package struct ServerConnection {
  package enum Output: Equatable {
    /// A text frame to send.
    case text([UInt8])
    /// A line for the server's log (JSON, without the newline).
    case log([UInt8])
  }

  private let configuration: ServerConfiguration
  private let store: ResponseStore
  private var ids: IDSource
  private var lanes: [String?: Lane] = [:]
  private var cache = ResponseCache()
  private var arrivals = 0
  private var output: [Output] = []

  package init(configuration: ServerConfiguration, store: ResponseStore, seed: UInt64) {
    self.configuration = configuration
    self.store = store
    ids = IDSource(seed: seed)
  }

  /// Answers one text frame. The connection stays usable, whatever it holds.
  package mutating func receive(_ text: UnsafeRawBufferPointer, now: Int64) -> [Output] {
    do throws(ClientEvent.Refusal) {
      switch try ClientEvent.parse(text) {
      case .create(let request):
        try enqueue(request)
        advance(now)
      case .steer(let id, let input):
        send(
          ErrorFrame.steeringNotSupported(previousResponseID: id, input: input, lane: nil))
      }
    } catch {
      refuse(error.error, lane: error.lane)
    }
    return takeOutput()
  }

  /// Sends what is due and begins what may begin. Safe to call early.
  package mutating func tick(_ now: Int64) -> [Output] {
    advance(now)
    return takeOutput()
  }

  /// When to call `tick`; nil: not before the next `receive`.
  package var nextDeadline: Int64? {
    lanes.values.compactMap { $0.running?.nextDue }.min()
  }

  private mutating func takeOutput() -> [Output] {
    defer { output = [] }
    return output
  }

  // MARK: Lanes

  private mutating func enqueue(_ request: ResponseRequest) throws(ClientEvent.Refusal) {
    if let name = request.lane, lanes[name] == nil,
      lanes.keys.count(where: { $0 != nil }) >= configuration.namedLanes
    {
      throw ClientEvent.Refusal(
        error: .invalid(
          "This connection has used its \(configuration.namedLanes) named streams. Reuse one of"
            + " them or open a new connection.",
          code: "websocket_stream_limit_reached", param: "stream_id"),
        lane: name)
    }
    guard lanes.values.reduce(0, { $0 + $1.waiting.count }) < configuration.queuedRequests else {
      throw ClientEvent.Refusal(
        error: RequestError(
          status: 429, type: "rate_limit_error", code: "rate_limit_exceeded",
          message: "\(configuration.queuedRequests) requests wait on this connection already."
            + " Wait for responses before sending more.", param: nil),
        lane: request.lane)
    }
    arrivals += 1
    lanes[request.lane, default: Lane()].enqueue(request, arrival: arrivals)
  }

  /// A response that ends lets the next one begin, which may end at once, and so on.
  private mutating func advance(_ now: Int64) {
    repeat {
      for name in Array(lanes.keys) { sendDue(on: name, now) }
    } while beginNext(now)
  }

  private mutating func sendDue(on name: String?, _ now: Int64) {
    guard var running = lanes[name]?.running else { return }
    // While it is here the lane holds no second reference, so that the events are not copied.
    lanes[name]?.running = nil
    while let text = running.takeDue(now) { send(text) }
    if running.isOver {
      finish(running, on: name)
    } else {
      lanes[name]?.running = running
    }
  }

  /// Begins the request that came first among those that can begin. False if there is none.
  private mutating func beginNext(_ now: Int64) -> Bool {
    guard lanes.values.count(where: { $0.running != nil }) < configuration.responsesInFlight,
      let (next, _) = lanes.filter({ $0.value.nextArrival != nil })
        .min(by: { ($0.value.nextArrival ?? 0) < ($1.value.nextArrival ?? 0) }),
      let request = lanes[next]?.dequeue()
    else { return false }
    do throws(RequestError) {
      let running = try begin(request, now)
      lanes[next]?.running = running
    } catch {
      refuse(error, lane: next)
      if let id = request.previousResponseID { cache.continuationFailed(of: id, on: next) }
    }
    return true
  }

  // MARK: One response

  private mutating func begin(
    _ request: ResponseRequest, _ now: Int64
  ) throws(RequestError) -> RunningResponse {
    try request.check(strictFields: configuration.strictFields)
    let parent = try findParent(of: request)
    let context = try ContextBuilder(store: store, requestIsStored: request.store)
      .build(parent: parent?.response.context, input: request.input())
    var usage = Usage(input: request.settingsTokens + context.tokens)
    guard usage.input <= configuration.contextWindow else {
      throw .invalid(
        "Your input exceeds the context window of this model. Please adjust your input and try"
          + " again.", code: "context_length_exceeded", param: "input")
    }
    let settings = request.renderedSettings
    if let parent, parent.isInCache, parent.response.renderedSettings == settings {
      usage.cached = parent.response.tokens
    }
    let execution = Execution(
      request: request, context: context, settings: settings, usage: usage,
      configuration: configuration)
    return execution.run(now, ids: &ids)
  }

  private func findParent(
    of request: ResponseRequest
  ) throws(RequestError) -> (response: CachedResponse, isInCache: Bool)? {
    guard let id = request.previousResponseID else { return nil }
    if let response = cache.response(id) { return (response, true) }
    if let response = store.response(id) { return (response, false) }
    throw .previousResponseNotFound(id)
  }

  private mutating func finish(_ running: RunningResponse, on lane: String?) {
    switch running.outcome {
    case .finished(let response, let output):
      cache.commit(response, on: lane)
      store.notePairs(in: output)
      if running.isStored { store.keep(response, output: output) }
    case .failed:
      if let id = running.previousResponseID { cache.continuationFailed(of: id, on: lane) }
    }
    if let record = running.logRecord { output.append(.log(record)) }
  }

  // MARK: Output

  private mutating func send(_ text: [UInt8]) {
    output.append(.text(text))
  }

  private mutating func refuse(_ error: RequestError, lane: String?) {
    send(ErrorFrame.write(error, lane: lane))
    if configuration.logsResponses {
      output.append(.log(LogRecord.refused(error, lane: lane)))
    }
  }
}
