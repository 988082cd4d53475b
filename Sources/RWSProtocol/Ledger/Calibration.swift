import RWSTokens

/// Turns measures of text into tokens as the server counts them; learns from what it reports.
///
/// With a vocabulary the text is exact, and what an item takes beside it (its frame in the prompt) is learned.
/// Without one, bytes per token are.
struct Calibration: Equatable, Sendable {
  /// Tokens of an item's frame.
  private var frame = MovingMean(mean: 4, deviation: 2)
  /// Of text. English has about four bytes to a token, other scripts fewer.
  private var tokensPerByte = MovingMean(mean: 0.25, deviation: 0.06)

  /// Shorter texts say little about bytes per token.
  private static let sampleBytesMin = 64

  func estimate(_ text: TextMeasure) -> TokenEstimate {
    let items = Double(text.itemCount)
    let frames = items * frame.mean
    // A calibrated frame may vary with the kind of item; one that was only supposed may be twice as large.
    let framesError = items * (2 * frame.deviation + 1)
    if let tokens = text.tokens {
      return TokenEstimate(
        Double(tokens) + frames, error: framesError + Double(tokens) / 100,
        uncountableParts: text.uncountableCount)
    }
    let bytes = Double(text.bytes)
    return TokenEstimate(
      bytes * tokensPerByte.mean + frames,
      error: bytes * (2 * tokensPerByte.deviation + tokensPerByte.mean / 20) + framesError,
      uncountableParts: text.uncountableCount)
  }

  /// Input items took `tokens` more than the context before them.
  mutating func learn(input: TextMeasure, tookTokens tokens: Int64, reasoningMayHaveGone: Bool) {
    guard input.itemCount > 0, input.uncountable.isEmpty else { return }
    guard let text = input.tokens else {
      let frames = Double(input.itemCount) * frame.mean
      // Reasoning that was left out makes the items look cheap.
      if !reasoningMayHaveGone { learn(bytes: input.bytes, Double(tokens) - frames) }
      return
    }
    let sample = (Double(tokens) - Double(text)) / Double(input.itemCount)
    // Beyond these it was something else that changed.
    guard sample >= (reasoningMayHaveGone ? 0 : -16), sample <= 256 else { return }
    frame.add(sample)
  }

  /// A response's visible text took `tokens`.
  mutating func learn(output: TextMeasure, tookTokens tokens: Int64) {
    guard output.tokens == nil, output.uncountable.isSubset(of: .encrypted) else { return }
    learn(bytes: output.bytes, Double(tokens))
  }

  private mutating func learn(bytes: Int, _ tokens: Double) {
    guard bytes >= Self.sampleBytesMin else { return }
    let sample = tokens / Double(bytes)
    // No vocabulary has more tokens than bytes, nor texts of fifty bytes a token.
    if sample > 0.02, sample <= 1 { tokensPerByte.add(sample) }
  }
}
