/// One turn as the caller asked for it.
package struct TurnRequest: Sendable {
  package let id: TurnID
  package let input: TurnInput
  /// The session's settings with the turn's overrides.
  package let settings: Settings
  package let isWarmUp: Bool
  package let limits: TurnLimits

  package init(
    id: TurnID, input: TurnInput, settings: Settings, isWarmUp: Bool = false,
    limits: TurnLimits = TurnLimits()
  ) {
    self.id = id
    self.input = input
    self.settings = settings.includingEncryptedReasoning()
    self.isWarmUp = isWarmUp
    self.limits = limits
  }
}
