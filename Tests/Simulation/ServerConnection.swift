import RWSJSON

/// The server's end of one connection: its lanes and their caches.
final class ServerConnection {
  let server: ModelServer
  let clock: Clock
  /// An event, and the turn whose last one it is.
  private let send: (String, String?) -> Void
  var lanes: [String: ServerLane] = [:]
  private var inFlight = 0
  private(set) var isGone = false
  private(set) var isAtLimit = false
  var endedResponses: Set<String> = []
  private var losses: [String: Loss] = [:]
  /// It carries one request, and there is no cache but what is stored.
  private let isHTTP: Bool
  /// The request's API key is one that it does not take.
  private let isUnauthorized: Bool
  /// Servers without lanes run one request at a time, whatever lane it names.
  private static let onlyLane = ""

  init(
    _ server: ModelServer, _ clock: Clock, isHTTP: Bool, isUnauthorized: Bool,
    send: @escaping (String, String?) -> Void
  ) {
    self.server = server
    self.isUnauthorized = isUnauthorized
    self.isHTTP = isHTTP
    self.clock = clock
    self.send = send
  }

  func disappear() { isGone = true }

  /// 60 minutes are over: what has begun goes on, nothing else does.
  func reachLimit() {
    isAtLimit = true
    send(errorEvent("", 400, "websocket_connection_limit_reached"), nil)
  }

  var busyLanes: Int { lanes.values.count { $0.isBusy || !$0.queue.isEmpty } }

  /// Something will never end.
  var isStuck: Bool { lanes.values.contains { $0.isBusy } }

  // MARK: Requests

  func receive(_ text: [UInt8], isPriming: Bool, sent: Int64) {
    guard var request = ServerRequest(text) else {
      return Violation.report("the client sent what is no JSON")
    }
    if isPriming { request.turn = server.makeID("priming") }
    switch request.type {
    case _ where isHTTP: judgeHTTP(request)
    case "response.create": break
    case "response.steer": return steer(request)
    default: return Violation.report("the client sent a \(request.type)")
    }
    if isUnauthorized {
      return clock.after(5) { [self] in
        send(#"{"type":"error","status":401,"error":{"code":"invalid_api_key","message":"no"}}"#, request.turn)
      }
    }
    let streamID = request.streamID
    if streamID != nil, server.conditions.lanes == .refused {
      return clock.after(5) { [self] in
        send(
          #"{"type":"error","status":400,"error":{"type":"invalid_request_error","code":"unknown_parameter","param":"stream_id","message":"no"}}"#,
          request.turn)
      }
    }
    let name = server.conditions.lanes == .supported && !isHTTP ? streamID ?? "" : Self.onlyLane
    if !name.isEmpty, lanes[name] == nil, lanes.keys.filter({ !$0.isEmpty }).count >= 32 {
      Violation.report("a 33rd named lane: \(name)")
    }
    if lanes[name]?.isSuccessorDue == true {
      Violation.report("\(request.turn) was sent while a successor is due")
    }
    lanes[name, default: .init()].queue.append((request, sent))
    if lanes.values.reduce(0, { $0 + $1.queue.count + ($1.isBusy ? 1 : 0) }) > 16 {
      Violation.report("more than 16 in flight on one connection")
    }
    advance(name)
  }

  /// protocol.md, HTTP: what is of the socket only is not there.
  private func judgeHTTP(_ request: ServerRequest) {
    let foreign = request.names.filter { ["type", "stream_id", "generate"].contains($0) }
    if !foreign.isEmpty || !request.isStream {
      Violation.report("\(request.turn) was sent over HTTP with the fields \(request.names)")
    }
    if !lanes.isEmpty { Violation.report("\(request.turn) is the second request of an HTTP connection") }
  }

  func advance(_ name: String) {
    guard var lane = lanes[name], !lane.isBusy, !lane.queue.isEmpty, !isGone else { return }
    let (request, sent) = lane.queue.removeFirst()
    lane.isBusy = true
    lanes[name] = lane
    // It looks up what a request continues when it begins to work on it, not when it comes.
    clock.after(server.random.oneIn(3) ? Int64(server.random.below(150)) : 0) { [self] in
      guard !isGone, !isAtLimit else { return }
      begin(request, name, sent)
    }
  }

  func finish(_ name: String) {
    lanes[name]?.isBusy = false
    lanes[name]?.running = nil
    advance(name)
  }

  private func begin(_ request: ServerRequest, _ name: String, _ sent: Int64) {
    let turn = request.turn
    let input = request.input.map(server.items.intern)
    let isStored = request.isStored
    if let problem = server.items.problem(inInput: input, isStored: isStored) {
      Violation.report("\(turn): the service would refuse this input: \(problem)")
    }
    var settings = ModelServer.Instructions(
      model: request.model, instructions: request.instructions ?? "", tools: request.tools)
    let previous = request.previous
    var context: [Int] = []
    var isWholeStored = isStored
    if let previous {
      guard let found = find(previous) else {
        judge(previous, turn, sent)
        return refuse(name, request, 400, "previous_response_not_found")
      }
      if server.conditions.keepsInstructions {
        if request.instructions != nil {
          Violation.report("\(turn): instructions together with previous_response_id")
        }
        settings.instructions = found.instructions
      }
      context = found.context
      isWholeStored = isStored && found.isStored
    }
    let steersAhead = takePending(name, before: previous)
    context += Self.input(of: steersAhead, server)
    context += input
    if let problem = server.items.problem(in: context) {
      Violation.report("\(turn): the service would refuse this context: \(problem)")
    }
    // Refused before it ran.
    if server.hasFaults, server.random.oneIn(25) {
      evictParent(of: request, name, sent)
      let (status, code) = Self.refusals[server.random.below(Self.refusals.count)]
      let asksPatience = (status == 429 || status == 503) && server.random.oneIn(4)
      if asksPatience { server.askPatience(of: turn) }
      return refuse(name, request, status, code, asksPatience: asksPatience)
    }
    let last = input.last.map { server.items[$0].type }
    let output =
      request.isWarmUp
      ? ModelOutput()
      : server.answer(turn, isStored: isStored, isTriggered: last == "compaction_trigger")
    let response = RunningResponse(
      id: server.makeID("resp"), turn: turn, sent: sent, request: request, context: context,
      settings: settings, isStored: isWholeStored, isDelta: previous != nil,
      output: output.items.map(server.items.intern), output.ending)
    response.steersAhead = steersAhead
    run(response, name)
  }

  private static let refusals = [
    (500, "server_error"), (503, "server_is_overloaded"), (429, "rate_limit_exceeded"),
    (429, "insufficient_quota"), (400, "context_length_exceeded"), (400, "invalid_request"),
    (400, "misalignment_policy_violation"), (418, "a_code_of_tomorrow"),
  ]

  // MARK: Responses

  func run(_ response: RunningResponse, _ name: String) {
    let echo = self.echo(name)
    lanes[name]?.running = response
    let body = #"\#(echo)"response":{"id":"\#(response.id)","status":"in_progress"}}"#
    response.events = [(#"{"type":"response.created",\#(body)"#, nil)]
    if !response.isWarmUp {
      response.events.append((#"{"type":"response.in_progress",\#(body)"#, nil))
    }
    var shown = Array(response.output.enumerated())
    // Items may be done in another order than they stand in.
    if server.random.oneIn(6) { shown.shuffle(using: &server.random) }
    for (index, item) in shown {
      let isToldLater = server.conditions.telling == .terminalOnly
      response.events.append(
        (
          #"{"type":"response.output_text.delta",\#(echo)"output_index":\#(index),"item_id":"x","delta":"d"}"#,
          isToldLater ? index : nil
        ))
      guard !isToldLater else { continue }
      response.events.append(
        (#"{"type":"response.output_item.done",\#(echo)"output_index":\#(index),"item":\#(server.items[item].text)}"#, index))
    }
    let execution = ModelServer.Execution(
      turn: response.turn, context: response.context, settings: response.settings,
      output: response.output, responseID: response.id, parent: response.parent,
      isDelta: response.isDelta)
    clock.after(delay()) { [self] in
      // At the age limit nothing is generated for requests without `created`.
      guard !isGone, !isAtLimit, !hangs() else { return }
      // It may fail before it has begun.
      if response.ending == .failed, server.random.oneIn(4) {
        response.output = []
        return end(response, name)
      }
      server.note(execution)
      server.keep(response)
      for steer in response.steersAhead { server.noteApplied(steer.number) }
      showNext(response, name)
    }
  }

  private func delay() -> Int64 {
    Int64(server.hasFaults && server.random.oneIn(60) ? server.random.below(2_000) : server.random.below(50))
  }

  /// Never says anything of it again.
  private func hangs() -> Bool {
    server.hasFaults && server.conditions.hangsOneIn > 0
      && server.random.oneIn(server.conditions.hangsOneIn)
  }

  private func showNext(_ response: RunningResponse, _ name: String) {
    let event = response.events.removeFirst()
    if let item = event.item { response.shown.insert(item) }
    send(event.text, nil)
    if server.random.oneIn(15) { send(Self.unknownEvents[server.random.below(3)], nil) }
    clock.after(delay()) { [self] in
      guard !isGone, !hangs() else { return }
      let isOver = response.events.isEmpty || isInterruptible(response)
      // Failures come before the output, in the middle of it, or at its end.
      if isOver || response.ending == .failed && server.random.oneIn(4) {
        end(response, name)
      } else {
        showNext(response, name)
      }
    }
  }

  private static let unknownEvents = [
    #"{"type":"keepalive"}"#, #"{"type":"codex.rate_limits","rate_limits":{}}"#,
    #"{"type":"vendor:thing","sequence_number":"x"}"#,
  ]

  private func end(_ response: RunningResponse, _ name: String) {
    let isSteered = !response.events.isEmpty && response.ending != .failed
    if isSteered { response.output = response.shown.sorted().map { response.output[$0] } }
    lanes[name]?.running = nil
    response.isOver = true
    endedResponses.insert(response.id)
    // The cache changes with the terminal event, as the client sees it.
    switch response.ending {
    case .completed, .incomplete:
      lose(name, loss(by: response, lanes[name]?.latest))
      let context = response.context + response.output
      lanes[name]?.latest = ServerLane.Cached(
        id: response.id, turn: response.turn, context: context, instructions: response.settings.instructions,
        isStored: response.isStored)
      if response.isStored {
        server.store(
          response.id, .init(context: context, instructions: response.settings.instructions))
      }
    case .failed: evictParent(of: response.request, name, response.sent)
    }
    if isSteered { server.cut(response.turn, response.id, response.output) }
    sendEnd(response, name, isSteered: isSteered)
    follow(response, name)
  }

  private func sendEnd(_ response: RunningResponse, _ name: String, isSteered: Bool) {
    if response.ending == .failed, server.random.oneIn(3) {
      if response.shown.isEmpty { server.withdraw(response.turn, response.id) }
      return send(errorEvent(name, 500, "server_error"), response.turn)
    }
    var details = ""
    let status: String
    switch response.ending {
    case _ where isSteered: (status, details) = ("incomplete", #","incomplete_details":{"reason":"steered"}"#)
    case .completed: status = "completed"
    case .incomplete: (status, details) = ("incomplete", #","incomplete_details":{"reason":"max_output_tokens"}"#)
    case .failed: (status, details) = ("failed", #","error":{"code":"server_error","message":"x"}"#)
    }
    if response.ending == .failed, response.shown.isEmpty, server.conditions.telling == .doneOnly {
      server.withdraw(response.turn, response.id)
    }
    let output =
      server.conditions.telling == .doneOnly
      ? "" : #","output":[\#(response.output.map { server.items[$0].text }.joined(separator: ","))]"#
    send(
      #"{"type":"response.\#(status)",\#(echo(name))"response":{"id":"\#(response.id)","status":"\#(status)"\#(details)\#(output)\#(usage(response))}}"#,
      response.turn)
  }

  /// Counted by a rule of its own; some servers do not say.
  private func usage(_ response: RunningResponse) -> String {
    guard server.conditions.reportsUsage else { return "" }
    func tokens(_ text: String) -> Int { 3 + text.utf8.count / 4 }
    func tokens(_ items: [Int]) -> Int { items.reduce(0) { $0 + tokens(server.items[$1].text) } }
    let input =
      tokens(server.items.view(response.context)) + tokens(response.settings.instructions)
      + tokens(response.settings.tools)
    let reasoning = response.output.filter { server.items[$0].type == "reasoning" }
    return
      #","usage":{"input_tokens":\#(input),"output_tokens":\#(tokens(response.output)),"output_tokens_details":{"reasoning_tokens":\#(tokens(reasoning))}}"#
  }

  func refuse(_ name: String, _ request: ServerRequest, _ status: Int, _ code: String, asksPatience: Bool = false) {
    clock.after(Int64(server.random.below(20))) { [self] in
      guard !isGone else { return }
      send(errorEvent(name, status, code, asksPatience: asksPatience), request.turn)
      finish(name)
    }
  }

  /// In one of the shapes in which errors come.
  private func errorEvent(
    _ name: String, _ status: Int, _ code: String, asksPatience: Bool = false
  ) -> String {
    let patience = asksPatience ? #""headers":{"retry-after-ms":\#(ModelServer.patience / 1_000_000)},"# : ""
    let echo = patience + self.echo(name)
    let isNotFound = code == "previous_response_not_found"
    let inner =
      isNotFound && server.random.oneIn(4)
      ? #""message":"no","param":"previous_response_id""#
      : #""type":"x","code":"\#(code)","message":"no""#
    switch server.conditions.keepsInstructions ? 3 : server.random.below(4) {
    case 0: return #"{"type":"error",\#(echo)\#(inner.replacingType)}"#
    case 1: return #"{"type":"error",\#(echo)"error":{\#(inner)}}"#
    case 2: return #"{"type":"error",\#(echo)"status_code":\#(status),"error":{\#(inner)}}"#
    case 3 where server.conditions.keepsInstructions: return #"{\#(echo)"status":\#(status),"error":{\#(inner)}}"#
    default: return #"{"type":"error",\#(echo)"status":\#(status),"error":{\#(inner)}}"#
    }
  }

  func echo(_ name: String) -> String {
    server.conditions.lanes == .supported && !name.isEmpty ? #""stream_id":"\#(name)","# : ""
  }

  func tell(_ event: String) { send(event, nil) }

  // MARK: The cache

  /// Why a response is not in the cache any more.
  private enum Loss {
    /// A fault that no client can know of.
    case fault
    /// A continuation of it failed.
    case failure(of: String, sent: Int64)
    /// This turn's response took its place.
    case replaced(by: String, sent: Int64)
    /// Another session's did, which does not continue it.
    case takenOver(by: String, sent: Int64)
  }

  private func loss(by response: RunningResponse, _ former: ServerLane.Cached?) -> Loss {
    guard let former, response.request.previous != former.id,
      server.areOfTwoSessions(former.turn, response.turn)
    else { return .replaced(by: response.turn, sent: response.sent) }
    return .takenOver(by: response.turn, sent: response.sent)
  }

  private func lose(_ name: String, _ loss: Loss) {
    if let id = lanes[name]?.latest?.id { losses[id] = loss }
    lanes[name]?.latest = nil
  }

  /// Loses what it has cached, as after an undocumented restart behind a gateway.
  func evict() { for name in lanes.keys.sorted() { lose(name, .fault) } }

  /// A failed continuation evicts its parent, on its own lane only.
  private func evictParent(of request: ServerRequest, _ name: String, _ sent: Int64) {
    guard let parent = request.previous, lanes[name]?.latest?.id == parent else { return }
    lose(name, .failure(of: request.turn, sent: sent))
  }

  private func find(_ id: String) -> ServerLane.Cached? {
    for lane in lanes.values where lane.latest?.id == id { return lane.latest }
    return server.storedContext(id).map {
      ServerLane.Cached(id: id, turn: "", context: $0.context, instructions: $0.instructions, isStored: true)
    }
  }

  /// A client that mirrors the cache asks for what is there, but for what it cannot know.
  private func judge(_ previous: String, _ turn: String, _ sent: Int64) {
    // Who was cancelled does not hold up anybody for its sake.
    guard server.isAwaited(turn) else { return }
    switch losses[previous] {
    case .fault: return
    // Whom the lane belongs to by now may end at any time.
    case .takenOver(_, let before) where before < sent: break
    case .replaced(let other, let before), .takenOver(let other, let before), .failure(let other, let before):
      if before <= sent, (server.endTold(other) ?? .max) >= sent { return }
    case nil: break
    }
    Violation.report(
      "\(turn): planned as a delta of \(previous), which is not held: \(losses[previous].map { "\($0)" } ?? "never was")")
  }
}

extension String {
  /// The flat shape has its `type` taken by the event's.
  fileprivate var replacingType: String { hasPrefix(#""type":"x","#) ? String(dropFirst(11)) : self }
}
