import RWSJSON

/// protocol.md, Lanes: Steer.
extension ServerConnection {
  private static let steersMax = 3

  func steer(_ request: ServerRequest) {
    if request.names.sorted() != ["input", "previous_response_id", "type"] {
      Violation.report("a steer with the fields \(request.names.sorted())")
    }
    let target = request.previous ?? ""
    let input = request.input
    if target.isEmpty { Violation.report("a steer that names no response") }
    let number = input.first.flatMap(Self.number)
    guard let number else { return Violation.report("a steer that nobody asked for: \(input)") }
    guard let (name, lane) = lanes.first(where: { $0.value.running?.id == target }),
      let running = lane.running
    else {
      let isEnded = endedResponses.contains(target)
      return fail("", nil, isEnded ? "response_already_completed" : "response_not_found", target)
    }
    guard server.conditions.canSteer, !running.isWarmUp else {
      return fail(name, nil, "steering_not_supported", target)
    }
    guard running.steers.count < Self.steersMax else {
      return fail(name, nil, "too_many_pending_steers", target)
    }
    let steer = ServerLane.Steer(id: server.makeID("steer"), input: input, number: number)
    running.steers.append(steer)
    server.steerNumbers[steer.id] = number
    if server.random.oneIn(2) { running.isInterrupted = true }
    tell(#"{"type":"response.steer.accepted",\#(echo(name))"steer":{"id":"\#(steer.id)","previous_response_id":"\#(target)"}}"#)
  }

  /// It has begun, and nothing was shown that a caller would have to answer.
  func isInterruptible(_ response: RunningResponse) -> Bool {
    response.isInterrupted && response.ending == .completed
      && response.shown.allSatisfy { !server.items[response.output[$0]].isCall }
  }

  /// A response has ended: what was steered into it goes on, waits, or fails.
  func follow(_ response: RunningResponse, _ name: String) {
    let steers = response.steers
    guard !steers.isEmpty else { return finish(name) }
    guard response.ending != .failed else {
      for steer in steers { fail(name, steer.id, "response_not_active", response.id) }
      return finish(name)
    }
    let items = response.output.map { server.items[$0] }
    let calls = items.filter(\.isCall).compactMap(\.callID)
    if items.contains(where: \.isUnfinished) {
      for steer in steers { fail(name, steer.id, "successor_creation_failed", response.id) }
      return finish(name)
    }
    guard calls.isEmpty else {
      lanes[name]?.pending = (response.id, steers)
      for steer in steers {
        tell(
          #"{"type":"response.steer.pending",\#(echo(name))"steer":{"id":"\#(steer.id)","previous_response_id":"\#(response.id)"},"required_input":[\#(calls.map { #"{"type":"function_call_output","call_id":"\#($0)"}"# }.joined(separator: ","))]}"#)
      }
      return finish(name)
    }
    lanes[name]?.isSuccessorDue = true
    clock.after(Int64(server.random.below(80))) { [self] in
      guard !isGone else { return }
      // Says nothing more: neither a successor nor a failure.
      if server.hasFaults, server.random.oneIn(12) { return }
      lanes[name]?.isSuccessorDue = false
      if server.random.oneIn(6) || isAtLimit {
        for steer in steers { fail(name, steer.id, "successor_creation_failed", response.id) }
        return finish(name)
      }
      succeed(response, name)
    }
  }

  private func succeed(_ response: RunningResponse, _ name: String) {
    let context =
      response.context + response.output + Self.input(of: response.steers, server)
    let turn = Self.successor(of: response.turn)
    let output = server.answer(turn, isStored: response.request.isStored, isTriggered: false)
    let successor = RunningResponse(
      id: server.makeID("resp"), turn: turn, sent: -1, request: response.request,
      context: context, settings: response.settings, isStored: response.isStored, isDelta: true,
      output: output.items.map(server.items.intern), output.ending)
    successor.steersAhead = response.steers
    successor.parent = response.id
    run(successor, name)
  }

  /// "turn-3" is followed by "turn-3+1", this by "turn-3+2".
  static func successor(of turn: String) -> String {
    let parts = turn.split(separator: "+")
    let count = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
    return "\(parts[0])+\(count + 1)"
  }

  static func input(of steers: [ServerLane.Steer], _ server: ModelServer) -> [Int] {
    steers.flatMap(\.input).map(server.items.intern)
  }

  /// Steers that waited for this request; if it continues something else, they fail.
  func takePending(_ name: String, before previous: String?) -> [ServerLane.Steer] {
    guard let pending = lanes[name]?.pending else { return [] }
    lanes[name]?.pending = nil
    if previous == pending.parent { return pending.steers }
    for steer in pending.steers {
      fail(name, steer.id, "successor_creation_failed", pending.parent)
    }
    return []
  }

  private func fail(_ name: String, _ id: String?, _ code: String, _ target: String) {
    let id = id.map { #""id":"\#($0)","# } ?? ""
    tell(
      #"{"type":"response.steer.failed",\#(echo(name))"steer":{\#(id)"previous_response_id":"\#(target)","input":[]},"error":{"code":"\#(code)","message":"no"}}"#)
  }

  private static func number(_ item: String) -> Int? {
    guard let text = (try? JSONValue(parsing: item))?["content"]?.string, text.hasPrefix("steer-")
    else { return nil }
    return Int(text.dropFirst(6))
  }
}
