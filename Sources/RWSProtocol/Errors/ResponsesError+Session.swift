/// What a session itself refuses or ends.
extension ResponsesError {
  static var steeringLost: ResponsesError {
    ResponsesError(
      .connectionLost,
      "The turn ended before the server said what became of the steering input. It may have been used.")
      .with(.unknown)
  }

  static var steeringNotSupported: ResponsesError {
    var error = ResponsesError(
      .notSupported, "Over HTTP a running response cannot be steered; give the input with the session's next turn.")
    // As the API says it of models that cannot.
    error.code = "steering_not_supported"
    return error
  }

  /// Strict mode.
  static func fullResend(_ reason: FullReason) -> ResponsesError {
    ResponsesError(
      .fullResend,
      "Strict mode: the whole history would have been sent again (\(reason)). Nothing was sent.")
  }

  static var historyMoved: ResponsesError {
    ResponsesError(
      .busy,
      "Another turn of the session ended while this one waited with the whole history; give the history as it is "
        + "now and start it again.")
  }

  static func missingOutput(_ calls: [String]) -> ResponsesError {
    ResponsesError(
      .missingOutput,
      "The last response made tool calls that this input does not answer: "
        + calls.joined(separator: ", ") + ". One turn must carry the outputs of all of them, or give them up "
        + "(abandon_calls).")
  }

  /// The connection was lost under a turn: whether to start it again is the caller's to weigh.
  func underTurn(_ execution: Execution) -> ResponsesError {
    var error = with(execution)
    switch execution {
    case .notSent: error.message += " Nothing was sent: start the turn again."
    case .rejected: error.message += " The request did not run: start the turn again."
    case .unknown: error.message += " The request may have run: start the turn again only if it may run twice."
    case .started:
      error.message += " The server had begun to work on it: started again, it may run twice."
    case .outputSeen:
      error.message += " Output had been received: started again, the turn runs twice."
    }
    return error
  }

  /// A time limit expired; `status` says which.
  package static func expiry(_ status: Status, _ execution: Execution) -> ResponsesError {
    let what =
      switch status {
      case .firstEventTimeout: "No event came within the first-event timeout"
      case .eventGapTimeout: "No further event came within the event-gap timeout"
      default: "The turn did not end within its timeout"
      }
    let consequence =
      execution == .notSent
      ? "; nothing had been sent." : "; it was cancelled here, but the server may still work on it."
    return ResponsesError(status, what + consequence).with(execution)
  }
}
