/// Which beginnings of prompts the model has read lately, whoever sent them: the service's prompt cache, which
/// helps HTTP and WebSocket alike. Only hashes are kept.
struct PromptCache {
  private static let prefixesMax = 1 << 17
  private var known: Set<UInt64> = []

  /// Tokens behind the longest beginning that is known.
  func unreadTokens(of context: Context, settings: [[UInt8]], settingsTokens: Int) -> Int {
    var total = settingsTokens
    var read = 0
    Self.walk(context, settings) { hash, tokens in
      total += tokens
      if known.contains(hash) { read = total }
    }
    return total - read
  }

  mutating func note(_ context: Context, settings: [[UInt8]]) {
    if known.count > Self.prefixesMax { known = [] }
    Self.walk(context, settings) { hash, _ in known.insert(hash) }
  }

  private static func walk(
    _ context: Context, _ settings: [[UInt8]], _ visit: (UInt64, Int) -> Void
  ) {
    var digest = Digest(settings: settings)
    visit(digest.value, 0)
    for (item, tokens) in zip(context.items, context.itemTokens) {
      digest.add(item)
      visit(digest.value, tokens)
    }
  }
}
