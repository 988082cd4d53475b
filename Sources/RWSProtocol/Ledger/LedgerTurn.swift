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
  /// The caller's history differs from the one so far: the input is all of it.
  package var replacesHistory = false
  package var isIncomplete = false
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
