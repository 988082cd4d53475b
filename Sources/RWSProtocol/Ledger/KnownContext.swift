import RWSTokens

/// What is known of the context behind a session's last response.
struct KnownContext: Equatable, Sendable {
  let inputTokens: Int64
  let outputTokens: Int64
  /// Reasoning tokens of the whole chain, and output of responses that broke off: whether they are rendered again is
  /// up to the server.
  let passingTokens: Int64
  /// Text of all items of the chain.
  let text: TextMeasure
  /// Tokens that are there without any item (instructions, tools), at the least.
  let settingsTokensMin: Int64

  /// The next response's input begins with these.
  var tokens: Int64 { inputTokens &+ outputTokens }
  /// Without what may go.
  var tokensMin: Int64 { max(tokens &- passingTokens, 0) }

  /// Too few tokens to judge by.
  private static let historyMin: Int64 = 64

  /// The input of the next turn must be at least this, or more than half of the history is gone. Nil: cannot
  /// be said. New items count for nine tenths of their tokens: behind some that are five times as large as the
  /// history a loss may hide, rather than that there is an alarm without one.
  func floor(of turn: LedgerTurn) -> Int64? {
    guard turn.isDelta, turn.changes.isDisjoint(with: [.model, .truncation, .compaction]) else {
      return nil
    }
    let settings = turn.changes.contains(.settings) ? 0 : settingsTokensMin
    // The text bounds it too: from below where much reasoning may have gone, and where settings, whose
    // part in the usage is not known, may have shrunk.
    let textMin = settings &+ Self.tokensMin(of: text)
    let contextMin = turn.changes.contains(.settings) ? textMin : max(tokensMin, textMin)
    let historyMin = contextMin &- settings
    guard historyMin >= Self.historyMin else { return nil }
    return contextMin &- historyMin / 2 &+ Self.tokensMin(of: turn.input)
  }

  /// Without a vocabulary nothing: a token may stand for many bytes.
  static func tokensMin(of text: TextMeasure) -> Int64 {
    Int64((text.tokens ?? 0) / 10 &* 9)
  }

  /// What is there beside `text` if it took `tokens`, at least; 0 if that cannot be told.
  static func settingsTokensMin(of tokens: Int64, with text: TextMeasure) -> Int64 {
    guard let counted = text.tokens, text.uncountable.isEmpty else { return 0 }
    // Other vocabularies of the family count some tokens more, and items have frames.
    let most = counted &+ counted / 10 &+ 16 &* text.itemCount &+ (text.reasoningTokens ?? 0)
    return max(tokens &- Int64(most), 0)
  }
}
