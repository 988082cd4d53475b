import CResponsesWS
import RWSNetwork
import RWSClient

final class TurnHandle: @unchecked Sendable {
  let turn: Turn
  private let lock = Lock()
  private var batch: LentBatch?
  private var result = Borrowed()
  private var call = Borrowed()
  private var item = Borrowed()
  private var stats = Borrowed()
  private var steer = Borrowed()
  private var steerings: [Steering] = []
  private var error = LentError()

  init(_ turn: Turn) { self.turn = turn }

  func lend(_ batch: EventBatch, _ range: Range<Int>, eventSize: Int) -> rws_event_batch {
    lock.withLock {
      let lent = LentBatch(batch, range, eventSize: eventSize, reusing: self.batch)
      self.batch = lent
      return lent.value
    }
  }

  func lendResult(_ fill: (Borrowed) -> rws_result) -> rws_result {
    lock.withLock { Borrowed.renew(&result, fill) }
  }

  func lendCall(_ fill: (Borrowed) -> rws_call) -> rws_call {
    lock.withLock { Borrowed.renew(&call, fill) }
  }

  func lendItem(_ fill: (Borrowed) -> rws_string) -> rws_string {
    lock.withLock { Borrowed.renew(&item, fill) }
  }

  func lendStats(_ fill: (Borrowed) -> rws_stats) -> rws_stats {
    lock.withLock { Borrowed.renew(&stats, fill) }
  }

  func lendSteer(_ fill: (Borrowed) -> rws_steer) -> rws_steer {
    lock.withLock { Borrowed.renew(&steer, fill) }
  }

  /// Returns its index.
  func admit(_ steering: Steering) -> Int {
    lock.withLock {
      steerings.append(steering)
      return steerings.count - 1
    }
  }

  func steering(at index: Int) -> Steering? {
    lock.withLock { steerings.indices.contains(index) ? steerings[index] : nil }
  }

  func lendError(_ error: ResponsesError) -> rws_error {
    lock.withLock { self.error.lend(error) }
  }
}

@c(rws_turn_start) @implementation
public func rws_turn_start(
  _ session: OpaquePointer?, _ input: UnsafePointer<CChar>?, _ input_len: Int,
  _ options: UnsafePointer<rws_turn_options>?, _ turn_out: UnsafeMutablePointer<OpaquePointer?>?
) -> rws_status {
  makingCall { () throws(ResponsesError) in
    let session = try Handles.session(session).session
    let given = try read(options, into: rws_turn_options())
    var callback: EventCallback?
    var onEvent: (@Sendable (Event?) -> Void)?
    if let function = given.on_event {
      let made = EventCallback(function, given.user_data, freesTurn: turn_out == nil)
      callback = made
      onEvent = { event in made.handle(event) }
    } else if turn_out == nil {
      throw ResponsesError(.invalidArgument, "turn_out is NULL and there is no callback.")
    }
    let prepared = try session.prepare(
      content: content(input, input_len, isHistory: given.is_history != 0, session),
      overrides: Settings(overrides: bytes(given.overrides, given.overrides_len, "overrides")),
      isWarmUp: given.is_warm_up != 0, isAbandoningCalls: given.abandon_calls != 0,
      limits: turnLimits(given, session),
      replayPolicy: ReplayPolicy.named(given.replay_policy),
      transport: TransportChoice.named(given.transport), onEvent: onEvent)
    let handle = try Handles.insert(TurnHandle(prepared.turn), into: Handles.turns)
    callback?.turn = handle
    // Before the launch: a callback may look at what the caller passed as turn_out.
    let before = turn_out?.pointee
    turn_out?.pointee = handle
    do throws(ResponsesError) {
      try prepared.launch()
    } catch {
      turn_out?.pointee = before
      rws_turn_free(handle)
      throw error
    }
  }
}

private func turnLimits(_ options: rws_turn_options, _ session: Session)
  throws(ResponsesError) -> TurnLimits
{
  let client = session.limits(Session.TurnOptions())
  func nanoseconds(_ milliseconds: Int64, _ fallback: Int64?, _ what: String)
    throws(ResponsesError) -> Int64?
  {
    try limit(milliseconds, default: fallback.map { .nanoseconds($0) }, what)?.nanoseconds
  }
  return TurnLimits(
    firstEvent: try nanoseconds(
      options.first_event_timeout_ms, client.firstEvent, "first_event_timeout_ms"),
    eventGap: try nanoseconds(
      options.event_gap_timeout_ms, client.eventGap, "event_gap_timeout_ms"),
    total: try nanoseconds(options.turn_timeout_ms, client.total, "turn_timeout_ms"))
}

/// Calls the caller's function for each event. `turn` is set before the turn is launched.
private final class EventCallback: @unchecked Sendable {
  private let function: @convention(c) (OpaquePointer?, UnsafePointer<rws_event>?, UnsafeMutableRawPointer?) -> Void
  private let user: UserData
  private let freesTurn: Bool
  var turn: OpaquePointer?

  init(
    _ function: @escaping @convention(c) (OpaquePointer?, UnsafePointer<rws_event>?, UnsafeMutableRawPointer?) -> Void,
    _ userData: UnsafeMutableRawPointer?, freesTurn: Bool
  ) {
    self.function = function
    user = UserData(pointer: userData)
    self.freesTurn = freesTurn
  }

  func handle(_ event: Event?) {
    guard let event else {
      ForkGate.outside { function(turn, nil, user.pointer) }
      if freesTurn { rws_turn_free(turn) }
      return
    }
    var value = rws_event(event.batch, at: event.index)
    value.struct_size = MemoryLayout<rws_event>.size
    withExtendedLifetime(event) { ForkGate.outside { function(turn, &value, user.pointer) } }
  }
}

@c(rws_turn_next) @implementation
public func rws_turn_next(
  _ turn: OpaquePointer?, _ timeout_ms: Int64, _ event_out: UnsafeMutablePointer<rws_event>?
) -> rws_status {
  var status = Status.ok
  let failure = call { () throws(ResponsesError) in
    let handle = try Handles.turn(turn)
    let event_out = try writable(event_out)
    switch try handle.turn.take(.event, within: wait(timeout_ms)) {
    case .events(let batch, let range):
      try write(rws_event(batch, at: range.lowerBound), to: event_out)
    case .ended: status = .done
    case .nothingYet: status = .timeout
    }
  }
  return failure == Status.ok.rawValue ? status.rawValue : failure
}

@c(rws_turn_next_batch) @implementation
public func rws_turn_next_batch(
  _ turn: OpaquePointer?, _ timeout_ms: Int64, _ batch_out: UnsafeMutablePointer<rws_event_batch>?
) -> rws_status {
  var status = Status.ok
  let failure = call { () throws(ResponsesError) in
    let handle = try Handles.turn(turn)
    let batch_out = try writable(batch_out)
    let eventSize = try LentBatch.eventSize(of: batch_out)
    switch try handle.turn.take(.batch, within: wait(timeout_ms)) {
    case .events(let batch, let range):
      try write(handle.lend(batch, range, eventSize: eventSize), to: batch_out)
    case .ended: status = .done
    case .nothingYet: status = .timeout
    }
  }
  return failure == Status.ok.rawValue ? status.rawValue : failure
}

@c(rws_turn_wait) @implementation
public func rws_turn_wait(_ turn: OpaquePointer?, _ timeout_ms: Int64) -> rws_status {
  var status = Status.done
  let failure = call { () throws(ResponsesError) in
    let hasEnded = try Handles.turn(turn).turn.wait(timeout: wait(timeout_ms))
    if !hasEnded { status = .timeout }
  }
  return failure == Status.ok.rawValue ? status.rawValue : failure
}

@c(rws_turn_cancel) @implementation
public func rws_turn_cancel(_ turn: OpaquePointer?) -> rws_status {
  call { () throws(ResponsesError) in try Handles.turn(turn).turn.cancel() }
}

@c(rws_turn_result) @implementation
public func rws_turn_result(
  _ turn: OpaquePointer?, _ result_out: UnsafeMutablePointer<rws_result>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let handle = try Handles.turn(turn)
    let value = handle.turn.withAssembly { assembly, end in
      handle.lendResult { rws_result(assembly, end, $0) }
    }
    try write(value, to: result_out)
  }
}

@c(rws_turn_call) @implementation
public func rws_turn_call(
  _ turn: OpaquePointer?, _ index: Int, _ call_out: UnsafeMutablePointer<rws_call>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let handle = try Handles.turn(turn)
    let found = handle.turn.withAssembly { assembly, _ -> rws_call? in
      guard assembly.calls.indices.contains(index) else { return nil }
      return handle.lendCall { rws_call(assembly.calls[index], $0) }
    }
    guard let found else {
      throw ResponsesError(.invalidArgument, "The turn has no tool call of this index.")
    }
    try write(found, to: call_out)
  }
}

@c(rws_turn_item) @implementation
public func rws_turn_item(
  _ turn: OpaquePointer?, _ index: Int, _ item_out: UnsafeMutablePointer<rws_string>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let handle = try Handles.turn(turn)
    let item_out = try required(item_out, "item_out")
    guard let item = handle.turn.withAssembly({ assembly, _ in assembly.item(at: index) }) else {
      throw ResponsesError(.invalidArgument, "The turn has no finished item of this index.")
    }
    item_out.pointee = handle.lendItem { $0.string(item) }
  }
}

@c(rws_turn_stats) @implementation
public func rws_turn_stats(
  _ turn: OpaquePointer?, _ stats_out: UnsafeMutablePointer<rws_stats>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let handle = try Handles.turn(turn)
    let stats_out = try writable(stats_out)
    let stats = handle.turn.stats
    try write(handle.lendStats { rws_stats(stats, $0) }, to: stats_out)
  }
}

@c(rws_turn_error) @implementation
public func rws_turn_error(
  _ turn: OpaquePointer?, _ error_out: UnsafeMutablePointer<rws_error>?
) -> rws_status {
  var status = Status.ok
  let failure = call { () throws(ResponsesError) in
    let handle = try Handles.turn(turn)
    let error_out = try writable(error_out)
    guard let error = handle.turn.error else {
      status = .done
      return
    }
    try write(handle.lendError(error), to: error_out)
  }
  return failure == Status.ok.rawValue ? status.rawValue : failure
}

@c(rws_turn_free) @implementation
public func rws_turn_free(_ turn: OpaquePointer?) {
  Handles.turns.remove(turn)?.turn.abandon()
}

private func content(
  _ input: UnsafePointer<CChar>?, _ length: Int, isHistory: Bool, _ session: Session
) throws(ResponsesError) -> TurnRequest.Content {
  guard isHistory else { return .new(try TurnInput(json: bytes(input, length, "input"))) }
  try checkLength(input, length, "input")
  return try session.whole(UnsafeRawBufferPointer(start: input, count: length))
}

extension rws_result {
  fileprivate init(_ assembly: TurnAssembly, _ end: TurnEnd?, _ borrowed: Borrowed) {
    self.init()
    outcome = (end?.outcome ?? .running).rawValue
    response_id = borrowed.string(assembly.responseID)
    text = borrowed.string(assembly.text)
    refusal = borrowed.string(assembly.refusal)
    reasoning_summary = borrowed.string(assembly.reasoningSummary)
    incomplete_reason = borrowed.string(assembly.incompleteReason)
    response = borrowed.string(assembly.response)
    call_count = assembly.calls.count
    item_count = assembly.itemCount
    usage = rws_usage(assembly.usage)
    input_transformations = borrowed.string(assembly.inputTransformations)
  }
}

extension rws_usage {
  init(_ usage: Usage?) {
    self.init(
      input_tokens: usage?.inputTokens ?? -1, cached_tokens: usage?.cachedTokens ?? -1,
      cache_write_tokens: usage?.cacheWriteTokens ?? -1, output_tokens: usage?.outputTokens ?? -1,
      reasoning_tokens: usage?.reasoningTokens ?? -1, total_tokens: usage?.totalTokens ?? -1)
  }
}

extension rws_call {
  fileprivate init(_ call: ToolCall, _ borrowed: Borrowed) {
    self.init()
    kind = call.kind.rawValue
    is_complete = call.isComplete ? 1 : 0
    call_id = borrowed.string(call.callID)
    name = borrowed.string(call.name)
    arguments = borrowed.string(call.argumentBytes)
    item = borrowed.string(call.itemBytes)
  }
}

extension rws_stats {
  fileprivate init(_ stats: TurnStats, _ borrowed: Borrowed) {
    self.init()
    full_reason = borrowed.string(stats.fullReason?.description ?? "")
    cache_break = borrowed.string(stats.cacheBreak ?? "")
    request_bytes = UInt64(clamping: stats.requestBytes)
    full_request_bytes = UInt64(clamping: stats.fullRequestBytes)
    received_bytes = UInt64(clamping: stats.receivedBytes)
    event_count = UInt64(clamping: stats.eventCount)
    sent_us = Self.microseconds(stats.sent)
    first_event_us = Self.microseconds(stats.firstEvent)
    first_output_us = Self.microseconds(stats.firstOutput)
    end_us = Self.microseconds(stats.end)
    is_delta = stats.isDelta ? 1 : 0
    resend_count = Int32(clamping: stats.resendCount)
    input_tokens = stats.cost.inputTokens ?? -1
    cached_tokens = stats.cost.cachedTokens ?? -1
    output_tokens = stats.cost.outputTokens ?? -1
    reasoning_tokens = stats.cost.reasoningTokens ?? -1
    marginal_input_tokens = stats.cost.marginalInputTokens ?? .min
    expected_input_tokens = stats.cost.contextLoss?.expectedTokens ?? -1
    transport = stats.transport?.rawValue ?? 0
    is_context_lost = stats.cost.contextLoss == nil ? 0 : 1
  }

  private static func microseconds(_ nanoseconds: Int64?) -> Int64 {
    nanoseconds.map { $0 / 1000 } ?? -1
  }
}
