/// What the session has taken and what more it will take.
extension Session {
  /// The books of the session up to its last turn that ended. A fork has books of its own.
  public var ledger: SessionLedger {
    get throws(ResponsesError) {
      try ask { $0.ledger($1) }
    }
  }

  /// Tokens that these items will take in the next turn's input, besides the context so far (`ledger.contextTokens`).
  /// Learns from what the server reports. Sends nothing.
  public func estimate(_ input: [InputItem]) throws(ResponsesError) -> TokenEstimate {
    try estimate(InputItem.checked(input))
  }

  /// Of one user message.
  public func estimate(_ text: String) throws(ResponsesError) -> TokenEstimate {
    try estimate([.user(text)])
  }

  package func estimate(_ input: TurnInput) throws(ResponsesError) -> TokenEstimate {
    let measure = client.core.tokens.measure(input)
    return try ask { $0.estimate($1, measure) }
  }
}
