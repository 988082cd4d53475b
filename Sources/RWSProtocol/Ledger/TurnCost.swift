/// What one turn took; nil: the server did not say.
public struct TurnCost: Equatable, Sendable {
  public internal(set) var inputTokens: Int64?
  /// Of the input, from the prompt cache.
  public internal(set) var cachedTokens: Int64?
  public internal(set) var outputTokens: Int64?
  /// Of the output.
  public internal(set) var reasoningTokens: Int64?
  /// What the turn's own items added: its input less the input and the output of the turn before. Below zero
  /// where reasoning was not rendered again, or the context was cut.
  public internal(set) var marginalInputTokens: Int64?
  /// The server had silently lost the context; nil: it had not, or nobody can tell.
  public internal(set) var contextLoss: ContextLoss?
}

/// The server went on as if there had been no history: it took `previous_response_id` and did not have the
/// response. What the model said was said without the context.
public struct ContextLoss: Equatable, Sendable {
  public let inputTokens: Int64
  /// What the input would have had at least.
  public let expectedTokens: Int64
}
