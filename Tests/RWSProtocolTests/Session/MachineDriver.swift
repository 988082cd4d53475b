import RWSJSON

@testable import RWSProtocol

/// Drives a session machine by hand: answers its actions, remembers what came out.
final class MachineDriver {
  let machine: SessionMachine
  var now = Instant(nanoseconds: 0)
  private(set) var connects: [ConnectionID] = []
  private(set) var closes: [ConnectionID] = []
  private(set) var sent: [(connection: ConnectionID, body: JSONValue, bytes: Int)] = []
  private(set) var events: [TurnID: [String]] = [:]
  private(set) var ends: [TurnID: TurnEnd] = [:]
  private(set) var connectEnds: [ResponsesError?] = []
  /// Sequence of deliveries and ends, to check their order.
  private(set) var log: [String] = []
  /// Whether a sent message counts as handed to the kernel at once.
  var flushesAtOnce = true
  private var lastTurn: UInt64 = 0

  init(settings: String = #"{"model":"m","store":false}"#) throws {
    machine = SessionMachine(settings: try Settings(json: Array(settings.utf8)))
  }

  @discardableResult
  func start(
    _ input: String, overrides: String = "", isWarmUp: Bool = false,
    limits: TurnLimits = TurnLimits()
  ) throws -> TurnID {
    lastTurn += 1
    let id = TurnID(lastTurn)
    let request = TurnRequest(
      id: id, input: try TurnInput(json: Array(input.utf8)),
      settings: machine.settings.merging(try Settings(overrides: Array(overrides.utf8))),
      isWarmUp: isWarmUp, limits: limits)
    machine.start(request, now: now)
    drain()
    return id
  }

  func open() {
    guard let connection = connects.last else { return }
    machine.opened(connection, now: now)
    drain()
  }

  func lose(_ error: ResponsesError = ResponsesError(.connectionLost, "cut")) {
    guard let connection = connects.last else { return }
    machine.closed(connection, error, now: now)
    drain()
  }

  func cancel(_ turn: TurnID) {
    machine.cancel(turn, now: now)
    drain()
  }

  func flush(_ turn: TurnID) {
    machine.flushed(turn, now: now)
    drain()
  }

  func connect() {
    machine.connect(now: now)
    drain()
  }

  func close() {
    machine.close(now: now)
    drain()
  }

  /// Lets time pass and the timers fire that are due.
  func advance(nanoseconds: Int64) {
    now = now.advanced(byNanoseconds: nanoseconds)
    machine.timeout(now: now)
    drain()
  }

  func receive(_ events: String..., on connection: ConnectionID? = nil) {
    guard let connection = connection ?? connects.last else { return }
    for event in events {
      Array(event.utf8).withUnsafeBytes { machine.receive(connection, text: $0, now: now) }
    }
    machine.finishedRead(now: now)
    drain()
  }

  /// A whole answer: created, one message, completed.
  func answer(_ id: String, text: String = "hello") {
    receive(
      Wire.created(id), Wire.messageDone(id, text), Wire.completed(id))
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
    case .connect(let id): connects.append(id)
    case .close(let id): closes.append(id)
    case .send(let connection, let body, let turn):
      if let value = try? JSONValue(parsing: body) { sent.append((connection, value, body.count)) }
      if flushesAtOnce { machine.flushed(turn, now: now) }
    case .deliver(let turn, let batch, _):
      for index in batch.records.indices {
        let type = Event(batch: batch, index: index).type
        events[turn, default: []].append(type)
        log.append("\(turn.value) \(type)")
      }
    case .end(let turn, let end):
      ends[turn] = end
      log.append("\(turn.value) end \(end.outcome)")
    case .connectEnded(let error): connectEnds.append(error)
    }
  }
}

/// Server events as JSON.
enum Wire {
  static func created(_ id: String) -> String {
    #"{"type":"response.created","response":{"id":"\#(id)","status":"in_progress"}}"#
  }

  static func delta(_ text: String) -> String {
    #"{"type":"response.output_text.delta","item_id":"msg","output_index":0,"delta":"\#(text)"}"#
  }

  static func messageDone(_ id: String, _ text: String) -> String {
    #"{"type":"response.output_item.done","output_index":0,"item":\#(message(id, text))}"#
  }

  static func message(_ id: String, _ text: String) -> String {
    #"{"id":"msg_\#(id)","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"\#(text)","annotations":[]}]}"#
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
