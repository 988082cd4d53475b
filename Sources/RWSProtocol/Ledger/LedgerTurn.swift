import RWSTokens

/// What the ledger is told of a turn that ended.
package struct LedgerTurn: Sendable {
  /// As the server reported it; nil: not at all.
  package var usage: Usage?
  /// The items that the turn added, and those of its response.
  package var input = TextMeasure()
  package var output = TextMeasure()
  /// Whether the server's state stood for the history (`previous_response_id`).
  package var isDelta = false
  package var sentBytes = 0
  /// What HTTP would have sent: settings and whole history.
  package var httpBytes = 0
  package var resendCount = 0
  package var changes: ContextChanges = []

  package init() {}

  /// 0 if the output shows no reasoning, nil if it does: for servers that do not say how much.
  var reasoningIfNone: Int64? {
    output.reasoningBytes == 0 && output.uncountable.isEmpty ? 0 : nil
  }
}

/// Why a context may be smaller than before, rightly.
package struct ContextChanges: OptionSet, Sendable {
  package let rawValue: UInt8

  /// Instructions, tools, tool choice, formats: whatever is rendered beside the items.
  package static let settings = ContextChanges(rawValue: 1)
  /// Another model may count with another vocabulary.
  package static let model = ContextChanges(rawValue: 2)
  /// The server may leave items out (`truncation: auto`).
  package static let truncation = ContextChanges(rawValue: 4)
  /// A compaction item is in the turn's input or output, or the input asks for one.
  package static let compaction = ContextChanges(rawValue: 8)

  package init(rawValue: UInt8) { self.rawValue = rawValue }
}
