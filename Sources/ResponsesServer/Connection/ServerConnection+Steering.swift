extension ServerConnection {
  /// Accepts a steer, or says why not and gives its input back.
  mutating func steer(_ event: SteerEvent, _ now: Int64) {
    let id = event.previousResponseID
    guard let (lane, _) = lanes.first(where: { $0.value.running?.id == id }) else {
      switch ended.status(of: id) {
      case nil:
        return fail(event, .notFound, "Response '\(id)' is not known on this connection.")
      case .completed:
        return fail(event, .alreadyCompleted, "Response '\(id)' is complete.")
      case .failed:
        return fail(event, .notActive, "Response '\(id)' has ended.")
      }
    }
    guard let running = lanes[lane]?.running else { return }
    if let (failure, message) = refusal(of: event, by: running) {
      return fail(event, failure, message, lane: lane)
    }
    let steer = Steer(id: ids.next("steer"), event: event)
    lanes[lane]?.running?.steer(steer, now)
    let number = lanes[lane]?.running?.takeNumber() ?? 0
    send(frame(lane).accepted(steer).numbered(number))
  }

  private func refusal(
    of event: SteerEvent, by running: RunningResponse
  ) -> (SteerFailure, String)? {
    let request = running.request
    if !request.model.hasPrefix(configuration.steerablePrefix) {
      return (.notSupported, "The model '\(request.model)' does not support steering.")
    }
    if request.isCompactedByItself || request.isWarmUp || request.conversationID != nil {
      return (
        .notSupported,
        "Steering is not supported with automatic compaction or a conversation, nor in a warm-up."
      )
    }
    if let fault = event.fault { return (.invalidInput, fault) }
    if running.steers.count >= configuration.pendingSteers {
      return (.tooMany, "\(configuration.pendingSteers) steers wait for this response already.")
    }
    return nil
  }

  /// What was steered into `running` goes on in a successor, or waits for the outputs of its calls.
  mutating func followSteers(
    of running: RunningResponse, _ response: CachedResponse, on lane: String?
  ) {
    guard !running.steers.isEmpty else { return }
    let calls = response.context.openCalls
    guard !calls.isEmpty else {
      guard let request = running.request.successor(of: running.id) else {
        return fail(running.steers, .successorFailed, "No successor could be made.", lane: lane)
      }
      lanes[lane]?.successor = Lane.Successor(request: request, steers: running.steers)
      return
    }
    var names: [String: String] = [:]
    for item in response.context.items {
      if let id = item.callID, let name = item.name { names[id] = name }
    }
    for (index, steer) in running.steers.enumerated() {
      let event = frame(lane).pending(steer, required: calls, names: names)
      send(event.numbered(running.numbersGiven + index))
    }
    lanes[lane]?.pending = running.steers
  }

  /// The steers that wait for `request`, which is about to begin. If it continues something else, they are
  /// lost and say so.
  mutating func takePendingSteers(on lane: String?, _ request: ResponseRequest) -> [Steer] {
    guard let pending = lanes[lane]?.pending, let first = pending.first else { return [] }
    lanes[lane]?.pending = []
    if request.previousResponseID == first.event.previousResponseID { return pending }
    fail(
      pending, .successorFailed, "The lane went on without the response that was steered.",
      lane: lane)
    return []
  }

  mutating func fail(
    _ steers: [Steer], _ failure: SteerFailure, _ message: String, lane: String?
  ) {
    for steer in steers {
      let event = frame(lane).failed(steer.event, id: steer.id, failure, message)
      send(event.numbered(0))
    }
  }

  private mutating func fail(
    _ event: SteerEvent, _ failure: SteerFailure, _ message: String, lane: String? = nil
  ) {
    send(frame(lane).failed(event, id: nil, failure, message).numbered(0))
  }

  private func frame(_ lane: String?) -> SteerFrame {
    SteerFrame(lane: echo(lane), dialect: configuration.dialect)
  }

  /// The Codex route's `response.interrupt`. An unknown id is ignored: the response may just have ended.
  mutating func interrupt(_ id: String, _ now: Int64) {
    guard let (lane, _) = lanes.first(where: { $0.value.running?.id == id }) else { return }
    lanes[lane]?.running?.interrupt(now)
  }
}
