/// Runs an accepted request: asks the model, writes the events, and says when each is due.
struct Execution {
  let request: ResponseRequest
  let context: Context
  let settings: [[UInt8]]
  /// Of the input; the output's part is added here.
  let usage: Usage
  let configuration: ServerConfiguration

  func run(_ now: Int64, ids: inout IDSource) -> RunningResponse {
    let answer =
      request.isWarmUp
      ? ModelAnswer([])
      : Models.named(request.model).answer(
        ModelInput(context: context, tools: request.callableTools))
    let includesCiphertext = request.includesCiphertext
    let object = ResponseObject(
      id: ids.next("resp"), createdAt: configuration.unixSeconds(now), request: request)
    var items: [OutputItem] = []
    for (index, item) in answer.items.enumerated() {
      var isCutShort = false
      if case .incomplete = answer.ending { isCutShort = index == answer.items.count - 1 }
      items.append(
        OutputItem(
          item, ids: &ids, includesCiphertext: includesCiphertext, isCutShort: isCutShort))
    }
    let output = items.map(\.contextItem)
    var usage = usage
    for item in output {
      usage.output += item.tokens
      if item.kind == .reasoning { usage.reasoning += item.tokens }
    }

    var emitter = EventEmitter(response: object, lane: request.lane)
    emitter.begin()
    for (index, item) in items.enumerated() { emitter.emit(item, at: index) }
    let pace = Pace(answer, outputTokens: usage.output, configuration)
    var state = ResponseObject.State(
      status: "completed", output: items.map { $0.json(.repeated) }, usage: usage)
    switch answer.ending {
    case .completed:
      state.completedAt = configuration.unixSeconds(now &+ pace.total)
      emitter.end("response.completed", state)
    case .incomplete(let reason):
      state.status = "incomplete"
      state.incompleteReason = reason
      emitter.end("response.incomplete", state)
    case .failed(let code, let message):
      state.status = "failed"
      state.usage = nil
      state.error = (code, message)
      emitter.end("response.failed", state)
    }
    return RunningResponse(
      id: object.id, request: request,
      outcome: outcome(answer, id: object.id, output: output, usage: usage),
      events: pace.schedule(emitter.events, from: now),
      logRecord: configuration.logsResponses
        ? LogRecord.executed(
          id: object.id, request: request, context: context, output: output,
          status: state.status, usage: usage) : nil)
  }

  private func outcome(
    _ answer: ModelAnswer, id: String, output: [Item], usage: Usage
  ) -> RunningResponse.Outcome {
    if case .failed = answer.ending { return .failed }
    var whole = context
    do {
      for item in output { try whole.append(item) }
    } catch {
      // Only a repeated id could get here, and ids are random: such a response cannot be continued.
      return .failed
    }
    let response = CachedResponse(
      id: id, context: whole, renderedSettings: settings, tokens: usage.input + usage.output)
    return .finished(response, output: output)
  }
}

/// When the events of a response are due.
private struct Pace {
  private let thinking: Int64
  private let spread: Int64

  init(_ answer: ModelAnswer, outputTokens: Int, _ configuration: ServerConfiguration) {
    thinking = configuration.thinkingNanoseconds
    if let milliseconds = answer.spreadMilliseconds {
      spread = milliseconds * 1_000_000
    } else if let rate = configuration.tokensPerSecond, rate > 0 {
      spread = Int64(min(Double(outputTokens) / rate, 86_400) * 1e9)
    } else {
      spread = 0
    }
  }

  var total: Int64 { thinking &+ spread }

  /// `created` and `in_progress` at once, the terminal event at the end, the others evenly between.
  func schedule(_ events: [[UInt8]], from start: Int64) -> [RunningResponse.DueEvent] {
    let steps = Int64(max(1, events.count - 2))
    return events.enumerated().map { index, text in
      let step = Int64(index) - 1
      // Divided first: an hour in nanoseconds times many events would overflow.
      let due = step <= 0 ? start : start &+ thinking &+ spread / steps &* step
      return RunningResponse.DueEvent(due: due, text: text)
    }
  }
}
