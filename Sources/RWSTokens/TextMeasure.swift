/// How much text items hold, and what in them is no text.
package struct TextMeasure: Equatable, Sendable {
  package var itemCount = 0
  /// Of visible text, as UTF-8.
  package var bytes = 0
  /// Of the same; nil: no vocabulary.
  package var tokens: Int? = 0
  /// Of reasoning: summaries and texts, which the model need not see again.
  package var reasoningBytes = 0
  package var reasoningTokens: Int? = 0
  /// What costs tokens that nobody can count here, and how many of them there are.
  package var uncountable: UncountableParts = []
  package var uncountableCount = 0

  package init() {}

  package static func + (one: TextMeasure, other: TextMeasure) -> TextMeasure {
    var sum = one
    sum += other
    return sum
  }

  package static func += (sum: inout TextMeasure, other: TextMeasure) {
    sum.itemCount &+= other.itemCount
    sum.bytes &+= other.bytes
    sum.tokens = added(sum.tokens, other.tokens)
    sum.reasoningBytes &+= other.reasoningBytes
    sum.reasoningTokens = added(sum.reasoningTokens, other.reasoningTokens)
    sum.uncountable.formUnion(other.uncountable)
    sum.uncountableCount &+= other.uncountableCount
  }

  private static func added(_ one: Int?, _ other: Int?) -> Int? {
    guard let one, let other else { return nil }
    return one &+ other
  }
}

package struct UncountableParts: OptionSet, Sendable {
  package let rawValue: UInt8

  package static let image = UncountableParts(rawValue: 1)
  package static let file = UncountableParts(rawValue: 2)
  package static let audio = UncountableParts(rawValue: 4)
  /// Encrypted reasoning, compaction.
  package static let encrypted = UncountableParts(rawValue: 8)
  /// An item that the server has.
  package static let reference = UncountableParts(rawValue: 16)

  package init(rawValue: UInt8) { self.rawValue = rawValue }
}
