import RWSJSON

/// The server's end of one connection: its lanes and their caches.
final class ServerConnection {
  private let server: ModelServer
  private let clock: Clock
  /// An event, and the turn whose last one it is.
  private let send: (String, String?) -> Void
  private var lanes: [String: ModelServer.Lane] = [:]
  private var inFlight = 0
  private var isGone = false
  private var isAtLimit = false
  /// Servers without lanes run one request at a time, whatever lane it names.
  private static let onlyLane = ""

  init(_ server: ModelServer, _ clock: Clock, send: @escaping (String, String?) -> Void) {
    self.server = server
    self.clock = clock
    self.send = send
  }

  func disappear() { isGone = true }

  /// 60 minutes are over: what has begun goes on, nothing else does.
  func reachLimit() {
    isAtLimit = true
    send(
      #"{"type":"error","status":400,"error":{"code":"websocket_connection_limit_reached","message":"60 minutes"}}"#,
      nil)
  }

  /// Why a response is not in the cache any more.
  private enum Loss {
    /// A fault that no client can know of.
    case fault
    /// A continuation of it failed.
    case failure(of: String, sent: Int64)
    /// This turn's response took its place.
    case replaced(by: String, sent: Int64)
  }

  private var losses: [String: Loss] = [:]

  private func lose(_ name: String, _ loss: Loss) {
    if let id = lanes[name]?.latest?.id { losses[id] = loss }
    lanes[name]?.latest = nil
  }

  /// A client that mirrors the cache asks for what is there, but for what it cannot know.
  private func judge(_ previous: String, _ turn: String, _ sent: Int64) {
    switch losses[previous] {
    case .fault: break
    case .replaced(let other, let before), .failure(let other, let before):
      if before <= sent, !server.wasEndKnown(other, sent) { break }
      fallthrough
    case nil:
      Violation.report(
        "\(turn): planned as a delta of \(previous), which is not held: \(losses[previous].map { "\($0)" } ?? "never was")")
    }
  }

  /// Loses what it has cached, as after an undocumented restart behind a gateway.
  func evict() { for name in lanes.keys { lose(name, .fault) } }

  func receive(_ text: [UInt8], sent: Int64) {
    guard let request = try? JSONValue(parsing: text) else {
      Violation.report("the client sent what is no JSON")
      return
    }
    let name = server.hasLanes ? request["stream_id"]?.string ?? "" : Self.onlyLane
    if !name.isEmpty, lanes[name] == nil, lanes.keys.filter({ !$0.isEmpty }).count >= 32 {
      Violation.report("a 33rd named lane: \(name)")
    }
    lanes[name, default: .init()].queue.append((request, sent))
    advance(name)
  }

  private func advance(_ name: String) {
    guard var lane = lanes[name], !lane.isRunning, !lane.queue.isEmpty, !isGone else { return }
    let (request, sent) = lane.queue.removeFirst()
    lane.isRunning = true
    lanes[name] = lane
    inFlight += 1
    if inFlight > 16 { Violation.report("more than 16 in flight on one connection") }
    // It looks up what a request continues when it begins to work on it, not when it comes.
    clock.after(server.random.oneIn(3) ? Int64(server.random.below(150)) : 0) { [self] in
      guard !isGone, !isAtLimit else { return }
      begin(request, name, sent)
    }
  }

  private func finish(_ name: String) {
    lanes[name]?.isRunning = false
    inFlight -= 1
    advance(name)
  }

  private func begin(_ request: JSONValue, _ name: String, _ sent: Int64) {
    let input = (request["input"]?.elements ?? []).map { String(decoding: $0.bytes, as: UTF8.self) }
    let turn = Self.turn(of: request)
    var context: [String] = []
    if let previous = request["previous_response_id"]?.string {
      guard let found = find(previous) else {
        judge(previous, turn, sent)
        return refuse(name, request, 400, "previous_response_not_found")
      }
      context = found
    }
    context += input
    if let problem = Self.problem(in: context) {
      Violation.report("turn \(turn): the service would refuse this context: \(problem)")
    }
    let echo = server.hasLanes && !name.isEmpty ? #""stream_id":"\#(name)","# : ""
    // Refused before it ran.
    if server.random.oneIn(25) {
      if request["previous_response_id"] != nil { evictParent(of: request, name, sent) }
      return refuse(name, request, 500, "server_error")
    }
    let (output, ending) = server.answer(turn)
    let id = server.makeID("resp")
    var events = [
      #"{"type":"response.created",\#(echo)"response":{"id":"\#(id)","status":"in_progress"}}"#,
      #"{"type":"response.in_progress",\#(echo)"response":{"id":"\#(id)","status":"in_progress"}}"#,
    ]
    for (index, item) in output.enumerated() {
      events.append(#"{"type":"response.output_text.delta",\#(echo)"output_index":\#(index),"item_id":"x","delta":"d"}"#)
      events.append(#"{"type":"response.output_item.done",\#(echo)"output_index":\#(index),"item":\#(item)}"#)
    }
    let status = ending == .completed ? "completed" : ending == .incomplete ? "incomplete" : "failed"
    let error = ending == .failed ? #","error":{"code":"server_error","message":"x"}"# : ""
    events.append(
      #"{"type":"response.\#(status)",\#(echo)"response":{"id":"\#(id)","status":"\#(status)","output":[\#(output.joined(separator: ","))]\#(error)}}"#)
    let isStored = request["store"]?.bool ?? true
    let execution = ModelServer.Execution(
      turn: turn, context: context, output: output, responseID: id)
    stream(events[...], of: turn) { [self] in
      // At the age limit nothing is generated for requests without `created`.
      guard !isAtLimit else { return false }
      server.note(execution)
      return true
    } end: { [self] in
      switch ending {
      case .completed, .incomplete:
        lose(name, .replaced(by: turn, sent: sent))
        lanes[name]?.latest = (id, context + output)
        if isStored { server.store(id, context + output) }
      case .failed: evictParent(of: request, name, sent)
      }
      finish(name)
    }
  }

  private func stream(
    _ events: ArraySlice<String>, of turn: String, begin: (() -> Bool)? = nil, end: @escaping () -> Void
  ) {
    guard let event = events.first, !isGone else { return }
    clock.after(Int64(server.random.below(50))) { [self] in
      guard !isGone, begin?() ?? true else { return }
      // The cache changes with the terminal event, as the client sees it.
      if events.count == 1 { end() }
      send(event, events.count == 1 ? turn : nil)
      stream(events.dropFirst(), of: turn, end: end)
    }
  }

  private func refuse(_ name: String, _ request: JSONValue, _ status: Int, _ code: String) {
    clock.after(Int64(server.random.below(20))) { [self] in
      guard !isGone else { return }
      let echo = server.hasLanes && !name.isEmpty ? #""stream_id":"\#(name)","# : ""
      send(#"{"type":"error",\#(echo)"status":\#(status),"error":{"type":"x","code":"\#(code)","message":"no"}}"#,
        Self.turn(of: request))
      finish(name)
    }
  }

  /// A failed continuation evicts its parent, on its own lane only.
  private func evictParent(of request: JSONValue, _ name: String, _ sent: Int64) {
    let turn = Self.turn(of: request)
    if lanes[name]?.latest?.id == request["previous_response_id"]?.string { lose(name, .failure(of: turn, sent: sent)) }
  }

  private static func turn(of request: JSONValue) -> String {
    request["metadata"]?["turn"]?.string ?? "?"
  }

  private func find(_ id: String) -> [String]? {
    for lane in lanes.values where lane.latest?.id == id { return lane.latest?.context }
    return server.storedContext(id)
  }

  /// protocol.md, "What the service rejects".
  private static func problem(in context: [String]) -> String? {
    var calls: Set<String> = []
    var answered: Set<String> = []
    for text in context {
      guard let item = try? JSONValue(parsing: text) else { return "an item is no JSON" }
      guard let call = item["call_id"]?.string else { continue }
      if item["type"]?.string == "function_call" {
        guard calls.insert(call).inserted else { return "call \(call) twice" }
      } else {
        guard calls.contains(call) else { return "No tool call found for \(call)" }
        answered.insert(call)
      }
    }
    let open = calls.subtracting(answered)
    return open.isEmpty ? nil : "No tool output found for \(open.sorted())"
  }
}
