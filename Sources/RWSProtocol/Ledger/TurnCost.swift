/// What one turn took; nil: the server did not say.
package struct TurnCost: Equatable, Sendable {
  package var inputTokens: Int64?
  /// Of the input, from the prompt cache.
  package var cachedTokens: Int64?
  package var outputTokens: Int64?
  /// Of the output.
  package var reasoningTokens: Int64?
  /// What the turn's own items added: its input less the input and the output of the turn before. Below zero
  /// where reasoning was not rendered again, or the context was cut.
  package var marginalInputTokens: Int64?
  package var contextLoss: ContextLoss?
}

/// The server went on as if there had been no history: it took `previous_response_id` and did not have the
/// response. What the model said was said without the context.
package struct ContextLoss: Equatable, Sendable {
  package let inputTokens: Int64
  /// What the input would have had at least.
  package let expectedTokens: Int64
}
