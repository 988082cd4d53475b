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
    /// The same, for whoever knows when the events before it have been handed over.
    case cost(CostRecord)
    /// The connection ends so. Nothing comes after it.
    case close(code: UInt16, reason: String)
    /// A fault that the script asks for at this place.
    case fault(FaultAction)
  }

  let configuration: ServerConfiguration
  let store: ResponseStore
  let limiter: RateLimiter
  private let meter: RequestMeter
  private let faults: FaultScript?
  /// Among the connections of the server, from 1.
  private let number: Int
  /// Of the `OpenAI-Organization` header.
  private let organization: String
  private let openedAt: Int64
  var ids: IDSource
  var lanes: [String?: Lane] = [:]
  var cache = ResponseCache()
  /// The responses that ended on this connection, so that a late steer hears what became of them.
  var ended = EndedResponses()
  /// The latest refusal; HTTP answers with it.
  private(set) var refusal: RequestError?
  private var turns = 0
  /// Of the first stored response, where the dialect uses it for all.
  private var storedID: String?
  private var isClosed = false
  private var output: [Output] = []

  package init(
    configuration: ServerConfiguration, store: ResponseStore, seed: UInt64, openedAt: Int64 = 0,
    number: Int = 1, organization: String = "", limiter: RateLimiter? = nil,
    meter: RequestMeter? = nil, faults: FaultScript? = nil
  ) {
    self.configuration = configuration
    self.store = store
    self.limiter = limiter ?? RateLimiter(requestsPerMinute: configuration.requestsPerMinute)
    self.meter = meter ?? RequestMeter()
    self.faults = faults
    self.number = number
    self.organization = organization
    self.openedAt = openedAt
    ids = IDSource(seed: seed)
  }

  /// Answers one text frame. The connection stays usable, whatever it holds.
  package mutating func receive(_ text: UnsafeRawBufferPointer, now: Int64) -> [Output] {
    guard !isClosed else { return [] }
    if let limit = configuration.dialect.messageBytesMax, text.count > limit {
      close(code: 1009, reason: "message too big")
      return takeOutput()
    }
    do throws(ClientEvent.Refusal) {
      switch try ClientEvent.parse(text, dialect: configuration.dialect) {
      case .create(var request):
        request.receivedBytes = text.count
        request.receivedAt = now
        try enqueue(request)
      case .steer(let event): steer(event, now)
      case .interrupt(let id): interrupt(id, now)
      }
      advance(now)
    } catch {
      refuse(error.error, lane: error.lane)
      if turns == 0, configuration.dialect.has(.closesOnBadFrame) {
        close(code: 1008, reason: "the first message must be a response.create")
      }
    }
    return takeOutput()
  }

  /// Runs one request that came by itself, over HTTP.
  mutating func create(_ given: ResponseRequest, now: Int64) -> [Output] {
    turns += 1
    var request = complete(given)
    request.receivedAt = now
    lanes[nil, default: Lane()].enqueue(request, turn: turns)
    advance(now)
    return takeOutput()
  }

  /// Sends what is due and begins what may begin. Safe to call early.
  package mutating func tick(_ now: Int64) -> [Output] {
    if !isClosed { advance(now) }
    return takeOutput()
  }

  /// When to call `tick`; nil: not before the next `receive`.
  package var nextDeadline: Int64? {
    guard !isClosed else { return nil }
    var deadline = ageDeadline
    for lane in lanes.values {
      if let due = lane.running?.nextDue { deadline = min(deadline, due) }
      if let due = lane.first?.notBefore { deadline = min(deadline, due) }
    }
    return deadline == .max ? nil : deadline
  }

  private var ageDeadline: Int64 {
    let (deadline, overflow) = openedAt.addingReportingOverflow(configuration.ageLimit)
    return overflow ? .max : deadline
  }

  /// Nothing runs, and nothing waits to run.
  package var isQuiet: Bool { lanes.values.allSatisfy(\.isQuiet) }

  private mutating func takeOutput() -> [Output] {
    defer { output = [] }
    return output
  }

  // MARK: Lanes

  private mutating func enqueue(_ given: ResponseRequest) throws(ClientEvent.Refusal) {
    let request = complete(given)
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
    turns += 1
    lanes[request.lane, default: Lane()].enqueue(request, turn: turns)
  }

  /// What a request does not say itself.
  private func complete(_ given: ResponseRequest) -> ResponseRequest {
    var request = given
    request.isStoreOff = configuration.zeroDataRetention
    request.organization = organization
    return request
  }

  /// A response that ends lets the next one begin, which may end at once, and so on.
  private mutating func advance(_ now: Int64) {
    repeat {
      for name in Array(lanes.keys) { sendDue(on: name, now) }
    } while !isClosed && beginNext(now)
    if now >= ageDeadline { endOfAge() }
  }

  private mutating func sendDue(on name: String?, _ now: Int64) {
    guard var running = lanes[name]?.running else { return }
    // While it is here the lane holds no second reference, so that the events are not copied.
    lanes[name]?.running = nil
    while !isClosed, let text = running.takeDue(now) {
      send(text, of: &running, now)
    }
    if !isClosed, let text = running.takeKeepAlive(now, lane: echo(name), configuration.dialect) {
      send(text)
    }
    if running.isOver {
      finish(running, on: name, now)
    } else {
      lanes[name]?.running = running
    }
  }

  /// Begins the request that came first among those that can begin. False if there is none.
  private mutating func beginNext(_ now: Int64) -> Bool {
    guard lanes.values.count(where: { $0.running != nil }) < configuration.inFlightMax else {
      return false
    }
    if let lane = lanes.first(where: { $0.value.successor != nil }) {
      beginSuccessor(on: lane.key, now)
      return true
    }
    let ready = lanes.filter { _, lane in
      lane.first.map { ($0.notBefore ?? now) <= now } ?? false
    }
    guard
      let (name, lane) = ready.min(by: {
        ($0.value.first?.turn ?? 0) < ($1.value.first?.turn ?? 0)
      }), let first = lane.first
    else { return false }
    if first.notBefore == nil, configuration.forkDelayNanoseconds > 0,
      let id = first.request.previousResponseID, cache.isFork(id, on: name)
    {
      lanes[name]?.delayFirst(until: now &+ configuration.forkDelayNanoseconds)
      return true
    }
    guard let waiting = lanes[name]?.dequeue() else { return false }
    let steers = takePendingSteers(on: name, waiting.request)
    begin(waiting.request, turn: waiting.turn, steers: steers, now)
    return true
  }

  private mutating func beginSuccessor(on name: String?, _ now: Int64) {
    guard let successor = lanes[name]?.successor else { return }
    lanes[name]?.successor = nil
    turns += 1
    begin(
      successor.request, turn: turns, steers: successor.steers, isAutomatic: true, now)
  }

  // MARK: One response

  private mutating func begin(
    _ request: ResponseRequest, turn: Int, steers: [Steer], isAutomatic: Bool = false, _ now: Int64
  ) {
    do throws(RequestError) {
      if let fault = faults?.atStart(connection: number, turn: turn) {
        try apply(fault)
      }
      let running = try plan(request, turn: turn, steers: steers, now)
      lanes[request.lane]?.running = running
      if configuration.dialect.has(.codexEvents) { send(ForeignEvent.codexRateLimits) }
      if configuration.dialect.has(.vendorEvents) { send(ForeignEvent.vendorStatus) }
    } catch {
      if !isAutomatic { refuse(error, lane: request.lane) }
      if let id = request.previousResponseID { cache.continuationFailed(of: id, on: request.lane) }
      fail(steers, .successorFailed, error.message, lane: request.lane)
    }
  }

  private mutating func plan(
    _ given: ResponseRequest, turn: Int, steers: [Steer], _ now: Int64
  ) throws(RequestError) -> RunningResponse {
    try limiter.admit(now)
    try given.check(strictFields: configuration.strictFields, dialect: configuration.dialect)
    let preparation = RequestPreparation(store: store, configuration: configuration, meter: meter)
    let request = preparation.complete(given, cache: cache)
    let prepared = try preparation.prepare(
      request, cache: cache, steered: steers.flatMap(\.event.items))
    let cost = meter.cost(of: prepared.work, now: now)
    let execution = Execution(
      request: request, prepared: prepared, cost: cost, configuration: configuration,
      counter: meter.counter)
    let isOneOfMany = request.store && configuration.dialect.has(.oneStoredID)
    let script = execution.run(now, id: isOneOfMany ? storedID : nil, ids: &ids)
    if isOneOfMany { storedID = script.object.id }
    return RunningResponse(
      turn: turn, script, keepAlive: configuration.keepAliveNanoseconds, from: now &+ cost.preparation)
  }

  private mutating func finish(_ running: RunningResponse, on lane: String?, _ now: Int64) {
    if running.isAbandoned {
      if let id = running.request.previousResponseID { cache.continuationFailed(of: id, on: lane) }
      ended.note(running.id, completed: false)
      fail(running.steers, .notActive, "The response failed before the input was used.", lane: lane)
      return
    }
    switch running.conclusion.outcome {
    case .finished(let response, let input, let output, let json):
      cache.commit(response, on: lane)
      meter.noteRead(response.context, settings: response.renderedSettings)
      store.notePairs(in: output)
      if running.request.store { store.keep(response, input: input, output: output, json: json) }
      if let id = running.request.conversationID {
        store.conversations.add(running.request.ownItems + output, to: id, ids: &ids)
      }
      ended.note(running.id, completed: true)
      followSteers(of: running, response, on: lane)
    case .failed(let input, let json):
      if running.request.store { store.keepFailed(running.id, input: input, json: json) }
      if let id = running.request.previousResponseID {
        cache.continuationFailed(of: id, on: lane)
      }
      ended.note(running.id, completed: false)
      fail(running.steers, .notActive, "The response failed before the input was used.", lane: lane)
    }
    if let record = running.conclusion.logRecord { output.append(.log(record)) }
    if var cost = running.conclusion.cost {
      cost.beganAt = running.beganAt
      output.append(.cost(cost))
    }
  }

  // MARK: Output

  /// The lane's name as events carry it.
  func echo(_ lane: String?) -> String? {
    configuration.dialect.has(.noEcho) ? nil : lane
  }

  mutating func send(_ text: [UInt8]) {
    guard !isClosed else { return }
    output.append(.text(text))
  }

  private mutating func send(
    _ text: [UInt8], of running: inout RunningResponse, _ now: Int64
  ) {
    guard let faults,
      let fault = faults.at(
        connection: number, turn: running.turn, event: running.numbersGiven - 1,
        type: EventType.of(text))
    else { return send(text) }
    switch fault {
    case .error(let error):
      running.isAbandoned = true
      refuse(error, lane: running.request.lane)
    case .fail(let failure): send(running.end(.failed(failure), insteadOf: text, now))
    case .incomplete(let reason):
      send(running.end(.incomplete(reason: reason), insteadOf: text, now))
    case .close(let code, let reason): close(code: code, reason: reason)
    case .cut(let bytes?, let isReset):
      output.append(.fault(.cut(after: Array(text.prefix(bytes)), of: text.count, isReset: isReset)))
      isClosed = true
    case .cut(nil, let isReset):
      output.append(.fault(.cut(after: [], of: 0, isReset: isReset)))
      isClosed = true
    case .drop: break
    case .send(let action, let isInstead):
      output.append(.fault(action))
      if !isInstead { send(text) }
    }
  }

  /// A fault at the start of a turn.
  private mutating func apply(_ fault: FaultScript.Fault) throws(RequestError) {
    switch fault {
    case .error(let error): throw error
    case .close(let code, let reason): close(code: code, reason: reason)
    case .cut(_, let isReset):
      output.append(.fault(.cut(after: [], of: 0, isReset: isReset)))
      isClosed = true
    // The parser wants an event for these.
    case .drop, .fail, .incomplete: break
    case .send(let action, _): output.append(.fault(action))
    }
  }

  mutating func close(code: UInt16, reason: String) {
    guard !isClosed else { return }
    output.append(.close(code: code, reason: reason))
    isClosed = true
  }

  private mutating func endOfAge() {
    guard !isClosed else { return }
    if !configuration.dialect.has(.silentAgeLimit) {
      refuse(.connectionLimitReached(seconds: configuration.ageLimit / 1_000_000_000), lane: nil)
    }
    close(code: 1000, reason: "connection age limit")
  }

  mutating func refuse(_ error: RequestError, lane: String?) {
    refusal = error
    send(ErrorFrame.write(error, lane: echo(lane), dialect: configuration.dialect))
    switch configuration.logged {
    case .nothing: break
    case .responses, .costs: output.append(.log(LogRecord.refused(error, lane: lane)))
    }
  }
}
