/// Runs an accepted request: asks the model, and writes the events.
struct Execution {
  let request: ResponseRequest
  let prepared: RequestPreparation.Prepared
  let cost: RequestCost
  let configuration: ServerConfiguration
  let counter: TokenCounter

  private var built: ContextBuilder.Built { prepared.built }

  /// `id`: that of the response, where it is given already.
  func run(_ now: Int64, id: String?, ids: inout IDSource) -> Script {
    let answer = answer()
    let object = ResponseObject(
      id: id ?? responseID(&ids), createdAt: configuration.unixSeconds(now), request: request,
      inputTransformations: built.transformations, dialect: configuration.dialect)
    let items = outputItems(answer, ids: &ids)
    let tokens = items.context.map { counter.count($0) }
    return Script(
      execution: self, object: object, items: items.made, context: items.context, tokens: tokens,
      ending: answer.ending,
      pace: Pace(
        answer, outputTokens: tokens.reduce(0, +), prefill: cost.prefill, configuration))
  }

  private func responseID(_ ids: inout IDSource) -> String {
    let id = ids.next("resp")
    guard configuration.dialect.has(.longIDs) else { return id }
    return id + String(repeating: "A", count: 218 - id.utf8.count) + "=="
  }

  private func answer() -> ModelAnswer {
    if built.isCompactionAsked {
      return ModelAnswer([.compaction(ContextSummary(of: built.context, keepsWindow: false))])
    }
    if request.isWarmUp { return ModelAnswer([]) }
    var answer = Models.named(request.model).answer(
      request.modelInput(built.context))
    if let threshold = request.compactThreshold, prepared.usage.input > threshold {
      answer.items.insert(
        .compaction(ContextSummary(of: built.context, keepsWindow: false)), at: 0)
    }
    if let most = request["max_output_tokens"]?.int { answer.cut(to: Int(most), counter) }
    return answer
  }

  /// The items, and what of them the next context holds.
  private func outputItems(
    _ answer: ModelAnswer, ids: inout IDSource
  ) -> (made: [OutputItem], context: [Item]) {
    var made: [OutputItem] = []
    var context: [Item] = []
    var digest = built.context.digest
    for (index, item) in answer.items.enumerated() {
      var isCutShort = false
      if case .incomplete = answer.ending { isCutShort = index == answer.items.count - 1 }
      let seal = request.includesCiphertext ? ReasoningSeal(request, after: digest) : nil
      let output = OutputItem(item, ids: &ids, seal: seal, isCutShort: isCutShort)
      let contextItem = output.contextItem
      if case .compaction = item { digest = Digest() }
      digest.add(contextItem)
      made.append(output)
      context.append(contextItem)
    }
    return (made, context)
  }
}

extension Execution {
  /// A response as it was planned: its items, its events up to the last item, and how it may end.
  struct Script {
    /// `created` and `in_progress` come before.
    static let firstItemEvent = 2

    let object: ResponseObject
    let items: [OutputItem]
    let ending: ModelAnswer.Ending
    let pace: Pace
    /// All but the terminal one.
    let events: [EventText]
    /// For each item, the number of events up to its end.
    let itemEnds: [Int]

    private let execution: Execution
    private let context: [Item]
    private let tokens: [Int]
    private let emitter: EventEmitter

    fileprivate init(
      execution: Execution, object: ResponseObject, items: [OutputItem], context: [Item],
      tokens: [Int], ending: ModelAnswer.Ending, pace: Pace
    ) {
      self.execution = execution
      self.object = object
      self.items = items
      self.context = context
      self.tokens = tokens
      self.ending = ending
      self.pace = pace
      let dialect = execution.configuration.dialect
      let empty = EventEmitter(
        response: object, lane: dialect.has(.noEcho) ? nil : execution.request.lane,
        dialect: dialect)
      var emitter = empty
      emitter.begin(isBare: execution.request.isWarmUp && dialect.has(.bareWarmUp))
      var itemEnds: [Int] = []
      for (index, item) in items.enumerated() {
        emitter.emit(item, at: index)
        itemEnds.append(emitter.events.count)
      }
      events = emitter.events
      self.itemEnds = itemEnds
      self.emitter = empty
    }

    var request: ResponseRequest { execution.request }

    /// The end after the first `kept` items.
    func conclude(
      keeping kept: Int, _ ending: ModelAnswer.Ending, at time: Int64
    ) -> RunningResponse.Conclusion {
      let output = Array(context.prefix(kept))
      var usage = execution.prepared.usage
      for (item, tokens) in zip(output, tokens) {
        usage.output += tokens
        if item.kind == .reasoning { usage.reasoning += tokens }
      }
      var state = ResponseObject.State(
        status: "completed", output: items.prefix(kept).map { $0.json(.repeated) }, usage: usage)
      switch ending {
      case .completed:
        state.completedAt = execution.configuration.unixSeconds(time)
      case .incomplete(let reason):
        state.status = "incomplete"
        state.incompleteReason = reason
      case .failed(let failure):
        state.status = "failed"
        state.usage = nil
        state.failure = failure
      }
      let json = object.json(state)
      return RunningResponse.Conclusion(
        event: terminalEvent("response." + state.status, json),
        outcome: outcome(ending, output: output, usage: usage, json: json),
        logRecord: execution.configuration.logged == .responses
          ? LogRecord.executed(
            id: object.id, request: request, context: execution.built.context, output: output,
            status: state.status, usage: usage) : nil,
        cost: execution.configuration.logged == .costs
          ? CostRecord(
            id: object.id, isContinued: request.previousResponseID != nil,
            receivedAt: request.receivedAt, work: execution.prepared.work, cost: execution.cost,
            usage: usage, inference: pace.total - execution.cost.prefill) : nil)
    }

    private func terminalEvent(_ type: String, _ json: [UInt8]) -> EventText {
      var emitter = emitter
      return emitter.end(type, response: json)
    }

    private func outcome(
      _ ending: ModelAnswer.Ending, output: [Item], usage: Usage, json: [UInt8]
    ) -> RunningResponse.Outcome {
      let seen = execution.built.context.items[...]
      if case .failed = ending { return .failed(input: seen, json: json) }
      var whole = execution.built.context
      do {
        for (item, tokens) in zip(output, tokens) { try whole.append(item, tokens: tokens) }
      } catch {
        // Only a repeated id could get here, and ids are random: such a response cannot be continued.
        return .failed(input: seen, json: json)
      }
      let response = CachedResponse(
        id: object.id, context: whole, renderedSettings: execution.prepared.settings,
        settingsTokens: execution.prepared.settingsTokens, tokens: usage.input + usage.output)
      // A slice of the same items, unless they were compacted.
      let isCompacted = output.contains { $0.kind == .compaction }
      let input = isCompacted ? seen : whole.items.dropLast(output.count)
      return .finished(response, input: input, output: output, json: json)
    }
  }
}

/// When the events of a response are due.
struct Pace {
  private let thinking: Int64
  private let spread: Int64

  /// `prefill`: what the model takes to read before it thinks.
  init(
    _ answer: ModelAnswer, outputTokens: Int, prefill: Int64 = 0,
    _ configuration: ServerConfiguration
  ) {
    thinking = prefill &+ configuration.thinkingNanoseconds
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
  func schedule(_ events: [EventText], from start: Int64) -> [RunningResponse.DueEvent] {
    let steps = Int64(max(1, events.count - 2))
    return events.enumerated().map { index, text in
      let step = Int64(index) - 1
      // Divided first: an hour in nanoseconds times many events would overflow.
      let due = step <= 0 ? start : start &+ thinking &+ spread / steps &* step
      return RunningResponse.DueEvent(due: due, text: text)
    }
  }
}
