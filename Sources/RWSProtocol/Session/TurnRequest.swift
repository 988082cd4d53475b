/// One turn as the caller asked for it.
package struct TurnRequest: Sendable {
  package enum Content: Sendable {
    /// Only what is new.
    case new(TurnInput)
    /// The whole history, as over HTTP.
    case whole(WholeHistory)
  }

  package let id: TurnID
  package let content: Content
  /// The session's settings with the turn's overrides.
  package let settings: Settings
  package let isWarmUp: Bool
  /// A full resend that an agent could have avoided is an error, for tests of agents.
  package let isStrict: Bool
  package let limits: TurnLimits

  package init(
    id: TurnID, content: Content, settings: Settings, isWarmUp: Bool = false,
    isStrict: Bool = false, limits: TurnLimits = TurnLimits()
  ) {
    self.id = id
    self.content = content
    self.settings = settings.includingEncryptedReasoning()
    self.isWarmUp = isWarmUp
    self.isStrict = isStrict
    self.limits = limits
  }

  /// What is new; all of it where the caller's history differs from the one so far.
  package var input: TurnInput {
    switch content {
    case .new(let input): input
    case .whole(let history): history.input
    }
  }

  /// Where the caller's history differs; nil: it goes on from the one so far.
  var changedPath: String? {
    if case .whole(let history) = content, case .other(let path) = history.basis { return path }
    return nil
  }
}
