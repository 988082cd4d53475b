/// What a session itself refuses or ends.
extension ResponsesError {
  static func missingOutput(_ calls: [String]) -> ResponsesError {
    ResponsesError(
      .missingOutput,
      "The last response made tool calls that this input does not answer: "
        + calls.joined(separator: ", ") + ". One turn must carry the outputs of all of them.")
  }

  /// A time limit expired; `status` says which.
  static func expiry(_ status: Status) -> ResponsesError {
    let what =
      switch status {
      case .firstEventTimeout: "No event came within the first-event timeout"
      case .eventGapTimeout: "No further event came within the event-gap timeout"
      default: "The turn did not end within its timeout"
      }
    return ResponsesError(
      status, what + "; it was cancelled here, but the server may still work on it.")
  }
}
