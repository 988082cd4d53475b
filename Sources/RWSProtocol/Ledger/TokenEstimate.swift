/// How many tokens something will take, with the error: nearly always from `low` to `high`, not counting
/// parts whose cost is unknown.
public struct TokenEstimate: Equatable, Sendable {
  public let tokens: Int64
  public let low: Int64
  public let high: Int64
  /// Images, files, ciphertext: they are not in the figures.
  public let uncountableParts: Int

  init(_ tokens: Double, error: Double, uncountableParts: Int) {
    self.init(
      tokens: Self.count(tokens), low: Self.count(tokens - error),
      high: Self.count((tokens + error).rounded(.up)), uncountableParts: uncountableParts)
  }

  init(tokens: Int64, low: Int64, high: Int64, uncountableParts: Int) {
    self.tokens = tokens
    self.low = low
    self.high = high
    self.uncountableParts = uncountableParts
  }

  private static func count(_ value: Double) -> Int64 {
    // What is no number, or too large for a conversion, is cut off.
    Int64(min(max(value, 0), 1e15))
  }
}
