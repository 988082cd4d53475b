import RWSProtocol

extension Session {
  /// Replaces the session's history by a smaller one that stands for it (`POST /v1/responses/compact`): the next turn
  /// sends that window and goes on from there. The history goes to the server whole, over a connection of its own. Only
  /// between turns (`busy`); turns that are started meanwhile wait. If it fails, the session is as before.
  /// - Parameter tokens: Do nothing if the context is known to be no larger: what the last response's usage
  ///   says. Called before each turn, this keeps the context below a bound.
  /// - Parameter timeout: How long to wait. When it has passed, `timeout` is thrown, and the compaction goes on: call again to
  ///   wait for it. The request itself is bounded by the client's event-gap and turn timeouts.
  /// - Returns: nil where there was nothing to do.
  @discardableResult
  public func compact(
    ifOver tokens: Int64? = nil, timeout: Duration? = nil
  ) throws(ResponsesError) -> Compaction? {
    try checkMayRequest(timeout)
    guard let compaction = try compacting.run(0, timeout: timeout, begin: beginCompacting(tokens)) else {
      throw .stillUnderWay("compaction")
    }
    return compaction.done
  }

  /// Tokens of the next turn's whole input, instructions and tools included, as the server counts them
  /// (`POST /v1/responses/input_tokens`). Sends the whole history; changes nothing.
  /// - Parameter timeout: As for `compact`.
  public func countTokens(
    _ input: [InputItem] = [], timeout: Duration? = nil
  ) throws(ResponsesError) -> Int64 {
    try countTokens(InputItem.checked(input), timeout: timeout)
  }

  package func countTokens(
    _ input: TurnInput, timeout: Duration?
  ) throws(ResponsesError) -> Int64 {
    try checkMayRequest(timeout)
    guard let tokens = try counting.run(input, timeout: timeout, begin: beginCounting(input)) else {
      throw .stillUnderWay("count")
    }
    return tokens
  }

  /// Calls `action` once the compaction has ended, which it begins if need be.
  package func whenCompacted(
    ifOver tokens: Int64?, _ action: @escaping @Sendable () -> Void
  ) throws(ResponsesError) {
    try checkMayRequest(.zero)
    try compacting.whenAnswered(0, begin: beginCompacting(tokens), action)
  }

  package func whenCounted(
    _ input: TurnInput, _ action: @escaping @Sendable () -> Void
  ) throws(ResponsesError) {
    try checkMayRequest(.zero)
    try counting.whenAnswered(input, begin: beginCounting(input), action)
  }

  private func beginCompacting(_ tokens: Int64?) -> ErrandSlot<Int, Compacted>.Begin {
    { [id, core = client.core] done in
      core.loop.post { core.compact(id, ifOver: tokens) { done($0.map(Compacted.init)) } }
    }
  }

  private func beginCounting(_ input: TurnInput) -> ErrandSlot<TurnInput, Int64>.Begin {
    { [id, core = client.core] done in core.loop.post { core.countTokens(id, input, done) } }
  }

  private func checkMayRequest(_ timeout: Duration?) throws(ResponsesError) {
    try checkIsOpen()
    if timeout != .zero { try client.core.checkMayWait() }
  }
}

/// What a compaction came to; nil inside: there was nothing to do.
struct Compacted: Sendable {
  let done: Compaction?
}

extension ResponsesError {
  fileprivate static func stillUnderWay(_ what: String) -> ResponsesError {
    ResponsesError(.timeout, "The \(what) is still under way; call again to wait for it.")
  }
}
