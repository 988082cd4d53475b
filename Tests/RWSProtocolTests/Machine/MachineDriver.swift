import RWSJSON
import RWSTokens

@testable import RWSProtocol

/// Drives the machine by hand: answers its actions, remembers what came out. Tests of one session do not name
/// it.
final class MachineDriver {
  struct Sent {
    let connection: Connection
    let turn: TurnID
    let body: JSONValue
    let bytes: Int

    var lane: String? { body["stream_id"]?.string }
    var previousResponseID: String? { body["previous_response_id"]?.string }
  }

  let machine: ClientMachine
  let session = SessionID(1)
  let settings: Settings
  let dialect: Dialect
  var now = Instant(nanoseconds: 0)
  private(set) var connects: [Connection] = []
  private(set) var closes: [Connection] = []
  private(set) var sent: [Sent] = []
  private(set) var events: [TurnID: [String]] = [:]
  /// JSON of the library's own events.
  private(set) var notices: [TurnID: [String]] = [:]
  private(set) var ends: [TurnID: TurnEnd] = [:]
  private(set) var connectEnds: [ResponsesError?] = []
  private(set) var endedRoutes: [RouteID] = []
  private(set) var keyQuestions: [(route: RouteID, isRefused: Bool)] = []
  private(set) var forgottenKeyRequests: [RouteID] = []
  private(set) var keyAnswers: [UInt64: Status] = [:]
  private(set) var lookups: [(id: ErrandID, responseID: String)] = []
  private(set) var posts: [ErrandID] = []
  private(set) var failedErrands: [ErrandID: ResponsesError] = [:]
  private(set) var pauses: [Bool] = []
  private(set) var steersSent: [Sent] = []
  private(set) var steers: [SteerID: [Steer.State]] = [:]
  private(set) var successors: [TurnID: TurnID] = [:]
  /// Sequence of deliveries and ends, to check their order.
  private(set) var log: [String] = []
  /// Of the turns that are started from now on. What may have run is not sent again unless a test is about that.
  var recovery = RecoveryOptions()
  /// Whether a sent message counts as handed to the kernel at once.
  var flushesAtOnce = true
  private var lastTurn: UInt64 = 0
  private var lastSession: UInt64 = 0

  init(
    settings: String = #"{"model":"m","store":false}"#, lanes: Dialect.Lanes = .unknown,
    dialect: Dialect? = nil, limits: PoolLimits = PoolLimits(), vocabulary: Vocabulary? = nil,
    transport: TransportChoice = .webSocket
  ) throws {
    self.settings = try Settings(json: Array(settings.utf8))
    var plain = Dialect()
    plain.lanes = lanes
    self.dialect = dialect ?? plain
    machine = ClientMachine(
      limits: limits, vocabulary: vocabulary, transport: transport, seed: 1)
    recovery.replay = .never
    openSession()
  }

  @discardableResult
  func openSession(
    route: UInt64 = 1, asksForKey: Bool = false, endsWithSessions: Bool = false
  ) -> SessionID {
    lastSession += 1
    let id = SessionID(lastSession)
    machine.open(
      id, settings: settings, route: RouteID(route), dialect: dialect, asksForKey: asksForKey,
      endsWithSessions: endsWithSessions, now: now)
    return id
  }

  /// Answers the question that is under way.
  func giveKey(_ error: ResponsesError? = nil, isSame: Bool = false, route: UInt64 = 2) {
    machine.keyArrived(on: RouteID(route), error, isSame: isSame, now: now)
    drain()
  }

  func beginErrand(_ id: UInt64, of session: SessionID, total: Int64? = nil) {
    machine.beginErrand(ErrandID(id), of: session, recovery: recovery, total: total, now: now)
    drain()
  }

  /// Answers the last look-up; nil: there is no such response.
  func lookedUp(_ response: String?) {
    guard let id = lookups.last?.id else { return }
    var missing = ResponsesError(.api, "404").with(.rejected)
    missing.httpStatus = 404
    machine.lookedUp(
      id, response.map { .success(Array($0.utf8)) } ?? .failure(missing), now: now)
    drain()
  }

  /// Whether it is over.
  func endErrand(_ id: UInt64, _ error: ResponsesError? = nil) -> Bool {
    defer { drain() }
    return machine.errandEnded(ErrandID(id), error, now: now)
  }

  func fork(_ source: SessionID) -> SessionID {
    lastSession += 1
    machine.fork(source, as: SessionID(lastSession), now: now)
    return SessionID(lastSession)
  }

  @discardableResult
  func start(
    _ input: String, in session: SessionID? = nil, overrides: String = "", isWarmUp: Bool = false,
    isStrict: Bool = false, isAbandoningCalls: Bool = false, transport: TransportChoice? = nil,
    limits: TurnLimits = TurnLimits()
  ) throws -> TurnID {
    try start(
      .new(TurnInput(json: Array(input.utf8))), in: session, overrides: overrides,
      isWarmUp: isWarmUp, isStrict: isStrict, isAbandoningCalls: isAbandoningCalls,
      transport: transport, limits: limits)
  }

  /// In whole-history style.
  @discardableResult
  func start(
    history: String, in session: SessionID? = nil, overrides: String = "",
    isAbandoningCalls: Bool = false
  ) throws -> TurnID {
    let snapshot = machine.history(session ?? self.session)
    let whole = try Array(history.utf8).withUnsafeBytes { try WholeHistory($0, against: snapshot) }
    return try start(
      .whole(whole), in: session, overrides: overrides, isAbandoningCalls: isAbandoningCalls)
  }

  private func start(
    _ content: TurnRequest.Content, in session: SessionID?, overrides: String = "",
    isWarmUp: Bool = false, isStrict: Bool = false, isAbandoningCalls: Bool = false,
    transport: TransportChoice? = nil, limits: TurnLimits = TurnLimits()
  ) throws -> TurnID {
    lastTurn += 1
    let id = TurnID(lastTurn)
    let request = TurnRequest(
      id: id, content: content,
      settings: settings.merging(try Settings(overrides: Array(overrides.utf8))),
      isWarmUp: isWarmUp, isStrict: isStrict, isAbandoningCalls: isAbandoningCalls, transport: transport,
      limits: limits, recovery: recovery)
    machine.start(request, in: session ?? self.session, now: now)
    drain()
    return id
  }

  /// Lets go of all that came out of the machine.
  func forgetConnections() {
    connects = []
    closes = []
    sent = []
  }

  /// All connections that are not open yet.
  func open() {
    for connection in connects { machine.opened(connection, now: now) }
    drain()
  }

  func lose(
    _ error: ResponsesError = ResponsesError(.connectionLost, "cut"), _ connection: Connection? = nil
  ) {
    guard let connection = connection ?? connects.last else { return }
    machine.closed(connection, error, now: now)
    drain()
  }

  /// The shell could not send the turn's request.
  func refuse(_ turn: TurnID, _ error: ResponsesError) {
    machine.refused(turn, error, now: now)
    drain()
  }

  /// A WebSocket that could not be had.
  func refuseUpgrade(_ connection: Connection? = nil) {
    guard let connection = connection ?? connects.last else { return }
    let error = ResponsesError(.upgradeRefused, "426")
    machine.closed(connection, error, isUpgradeBlocked: true, now: now)
    drain()
  }

  func cancel(_ turn: TurnID) {
    machine.cancel(turn, now: now)
    drain()
  }

  @discardableResult
  func steer(_ turn: TurnID, _ text: String, responseID: String = "") throws -> SteerID {
    let id = SteerID(UInt64(steers.count + 1))
    steers[id] = []
    let input = try TurnInput(json: Array(#""\#(text)""#.utf8))
    machine.steer(turn, as: id, input, responseID: responseID, now: now)
    drain()
    return id
  }

  func flush(_ turn: TurnID) {
    machine.flushed(turn, now: now)
    drain()
  }

  func connect(_ session: SessionID? = nil) {
    machine.connect(session ?? self.session, now: now)
    drain()
  }

  func close(_ session: SessionID? = nil) {
    machine.close(session ?? self.session, now: now)
    drain()
  }

  func setUnread(_ isUnread: Bool, _ turn: TurnID) {
    machine.setUnread(isUnread, turn, now: now)
    drain()
  }

  /// Lets time pass and the timers fire that are due.
  func advance(nanoseconds: Int64) {
    now = now.advanced(byNanoseconds: nanoseconds)
    machine.timeout(now: now)
    drain()
  }

  func receive(_ events: String..., on connection: Connection? = nil) {
    receive(events, on: connection)
  }

  func receive(_ events: [String], on connection: Connection? = nil) {
    guard let connection = connection ?? connects.last else { return }
    for event in events {
      Array(event.utf8).withUnsafeBytes { machine.receive(connection, text: $0, now: now) }
    }
    machine.finishedRead(connection, now: now)
    drain()
  }

  /// A whole answer: created, one message, completed.
  func answer(_ id: String, text: String = "hello") {
    receive(Wire.created(id), Wire.messageDone(id, text), Wire.completed(id))
  }

  /// A whole answer to a request, on its connection and lane.
  func answer(_ request: Sent, _ id: String) {
    receive(
      [Wire.created(id), Wire.messageDone(id, "hello"), Wire.completed(id)].map {
        Wire.on(request.lane, $0)
      }, on: request.connection)
  }

  /// As `answer(_:)`, with usage.
  func answer(_ id: String, text: String = "hello", usage: String) {
    receive(Wire.created(id), Wire.messageDone(id, text), Wire.completed(id, usage: usage))
  }

  /// The last request that was sent for the turn.
  func request(_ turn: TurnID) -> Sent? { sent.last { $0.turn == turn } }

  func noticed(_ turn: TurnID) -> [JSONValue] {
    (notices[turn] ?? []).compactMap { try? JSONValue(parsing: Array($0.utf8)) }
  }

  private func drain() {
    while true {
      let actions = machine.takeActions()
      if actions.isEmpty { return }
      for action in actions { perform(action) }
    }
  }

  private func perform(_ action: Action) {
    switch action {
    case .connect(let connection): connects.append(connection)
    case .close(let connection): closes.append(connection)
    case .pause(_, let isPaused): pauses.append(isPaused)
    case .send(let connection, let body, let turn):
      if let value = try? JSONValue(parsing: body) {
        sent.append(Sent(connection: connection, turn: turn, body: value, bytes: body.count))
      }
      if flushesAtOnce { machine.flushed(turn, now: now) }
    case .deliver(let turn, let batch, _):
      for index in batch.records.indices {
        let event = Event(batch: batch, index: index)
        let type = event.type
        if event.kind == .notice { notices[turn, default: []].append(event.json) }
        events[turn, default: []].append(type)
        log.append("\(turn.value) \(type)")
      }
    case .end(let turn, let end):
      ends[turn] = end
      log.append("\(turn.value) end \(end.outcome)")
    case .sendSteer(let connection, let body, let turn):
      if let value = try? JSONValue(parsing: body) {
        steersSent.append(Sent(connection: connection, turn: turn, body: value, bytes: body.count))
      }
    case .steered(let id, let state): steers[id, default: []].append(state)
    case .succeeded(let turn, let successor): successors[turn] = successor
    case .askForKey(let route, let isRefused): keyQuestions.append((route, isRefused))
    case .forgetKeyRequest(let route): forgottenKeyRequests.append(route)
    case .keyAwaited(let caller, let error): keyAnswers[caller] = error?.status ?? .ok
    case .post(let id): posts.append(id)
    case .lookUp(let id, _, let responseID): lookups.append((id, responseID))
    case .errandFailed(let id, let error): failedErrands[id] = error
    case .routeEnded(let route): endedRoutes.append(route)
    case .connectEnded(_, let error): connectEnds.append(error)
    }
  }
}

/// Server events as JSON.
enum Wire {
  /// The event as a named lane has it.
  static func on(_ lane: String?, _ event: String) -> String {
    guard let lane else { return event }
    return #"{"stream_id":"\#(lane)","# + event.dropFirst()
  }

  static func created(_ id: String) -> String {
    #"{"type":"response.created","response":{"id":"\#(id)","status":"in_progress"}}"#
  }

  static func inProgress(_ id: String) -> String {
    #"{"type":"response.in_progress","response":{"id":"\#(id)","status":"in_progress"}}"#
  }

  static let itemAdded =
    #"{"type":"response.output_item.added","output_index":0,"item":{"id":"msg","type":"message","role":"assistant","status":"in_progress","content":[]}}"#

  static func delta(_ text: String) -> String {
    #"{"type":"response.output_text.delta","item_id":"msg","output_index":0,"delta":"\#(text)"}"#
  }

  static func messageDone(_ id: String, _ text: String) -> String {
    #"{"type":"response.output_item.done","output_index":0,"item":\#(message(id, text))}"#
  }

  static func message(_ id: String, _ text: String) -> String {
    #"{"id":"msg_\#(id)","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"\#(text)","annotations":[]}]}"#
  }

  static func steered(_ id: String) -> String {
    #"{"type":"response.incomplete","response":{"id":"\#(id)","status":"incomplete","incomplete_details":{"reason":"steered"},"output":[]}}"#
  }

  static func steer(_ kind: String, _ steerID: String, _ responseID: String) -> String {
    #"{"type":"response.steer.\#(kind)","sequence_number":1,"steer":{"id":"\#(steerID)","previous_response_id":"\#(responseID)"},"required_input":[]}"#
  }

  static func steerFailed(_ steerID: String?, _ responseID: String, code: String) -> String {
    let id = steerID.map { #""id":"\#($0)","# } ?? ""
    return #"{"type":"response.steer.failed","sequence_number":1,"error":{"type":"invalid_request_error","code":"\#(code)","message":"no"},"steer":{\#(id)"previous_response_id":"\#(responseID)","input":"x"}}"#
  }

  static func callDone(_ callID: String, status: String = "completed") -> String {
    #"{"type":"response.output_item.done","output_index":0,"item":\#(call(callID, status: status))}"#
  }

  static func call(_ callID: String, status: String = "completed") -> String {
    #"{"id":"fc_\#(callID)","type":"function_call","call_id":"\#(callID)","name":"f","arguments":"{}","status":"\#(status)"}"#
  }

  static func completed(_ id: String) -> String {
    #"{"type":"response.completed","response":{"id":"\#(id)","status":"completed"}}"#
  }

  static func completed(_ id: String, usage: String) -> String {
    #"{"type":"response.completed","response":{"id":"\#(id)","status":"completed","usage":\#(usage)}}"#
  }

  static func usage(_ input: Int, _ output: Int, cached: Int = 0, reasoning: Int = 0) -> String {
    #"{"input_tokens":\#(input),"input_tokens_details":{"cached_tokens":\#(cached)},"output_tokens":\#(output),"output_tokens_details":{"reasoning_tokens":\#(reasoning)}}"#
  }

  static func reasoning(_ id: String) -> String {
    #"{"id":"rs_\#(id)","type":"reasoning","summary":[],"encrypted_content":"x\#(id)"}"#
  }

  static func itemDone(_ item: String, at index: Int) -> String {
    #"{"type":"response.output_item.done","output_index":\#(index),"item":\#(item)}"#
  }

  static func incomplete(_ id: String, output: String = "[]") -> String {
    #"{"type":"response.incomplete","response":{"id":"\#(id)","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":\#(output)}}"#
  }

  static func failed(_ id: String, code: String) -> String {
    #"{"type":"response.failed","response":{"id":"\#(id)","status":"failed","error":{"code":"\#(code)","message":"no"}}}"#
  }

  static func error(_ code: String, status: Int = 400) -> String {
    #"{"type":"error","status":\#(status),"error":{"type":"invalid_request_error","code":"\#(code)","message":"no"}}"#
  }
}
