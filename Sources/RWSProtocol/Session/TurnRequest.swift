import RWSTokens

/// One turn as the caller asked for it.
package struct TurnRequest: Sendable {
  package enum Content: Sendable {
    /// Only what is new.
    case new(TurnInput)
    /// The whole history, as over HTTP.
    case whole(WholeHistory)

    /// What is new; all of it where the caller's history differs from the one so far.
    package var input: TurnInput {
      switch self {
      case .new(let input): input
      case .whole(let history): history.input
      }
    }
  }

  package let id: TurnID
  package let content: Content
  /// The session's settings with the turn's overrides.
  package let settings: Settings
  package let isWarmUp: Bool
  /// The machine's own (`ClientMachine+Priming`).
  package let isPriming: Bool
  /// A full resend that an agent could have avoided is an error, for tests of agents.
  package let isStrict: Bool
  /// Calls of the last response that the input leaves without an output leave the history.
  package let isAbandoningCalls: Bool
  /// nil: the client's.
  package let transport: TransportChoice?
  package let limits: TurnLimits
  package let recovery: RecoveryOptions
  /// Of the input's lasting items, if it was measured where it was made; nil: the machine does it.
  package let measure: TextMeasure?

  package init(
    id: TurnID, content: Content, settings: Settings, isWarmUp: Bool = false,
    isPriming: Bool = false, isStrict: Bool = false, isAbandoningCalls: Bool = false, transport: TransportChoice? = nil,
    limits: TurnLimits = TurnLimits(),
    recovery: RecoveryOptions = RecoveryOptions(),
    measure: TextMeasure? = nil
  ) {
    self.id = id
    self.content = content
    self.settings = settings.includingEncryptedReasoning()
    self.isWarmUp = isWarmUp
    self.isPriming = isPriming
    self.isStrict = isStrict
    self.isAbandoningCalls = isAbandoningCalls
    self.transport = transport
    self.limits = limits
    self.recovery = recovery
    self.measure = measure
  }

  package var input: TurnInput { content.input }

  /// Where the caller's history differs; nil: it goes on from the one so far.
  var changedPath: String? {
    if case .whole(let history) = content, case .other(let path) = history.basis { return path }
    return nil
  }
}
