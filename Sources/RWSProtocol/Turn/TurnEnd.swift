/// What became of a turn.
public enum Outcome: Int32, Sendable {
  case running = 0
  case completed = 1
  /// `response.incomplete`; the result's `incompleteReason` says why.
  case incomplete = 2
  case failed = 3
  /// By the caller or by a time limit.
  case cancelled = 4
}

/// The last word on a turn; delivered exactly once, after all its events.
package struct TurnEnd: Sendable, Equatable {
  package var outcome: Outcome
  package var error: ResponsesError?
  package var stats: TurnStats

  package init(outcome: Outcome, error: ResponsesError?, stats: TurnStats) {
    self.outcome = outcome
    self.error = error
    self.stats = stats
  }
}
