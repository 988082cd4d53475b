/// What `GET /responses/{id}` says of a stored response.
struct StoredLookup {
  enum State: String { case running = "in_progress", completed, incomplete, failed }

  let state: State
  let text: String
}

extension ModelServer {
  /// nil: there is no such response. What had begun when its connection was lost runs on, and is stored at its end.
  func lookUp(_ id: String) -> StoredLookup? {
    guard let response = begun[id] else { return nil }
    if !response.isOver {
      guard random.oneIn(2) else { return answer(response, .running) }
      response.isOver = true
      if response.ending != .failed {
        store(
          id,
          .init(context: response.context + response.output, instructions: response.settings.instructions))
      }
    }
    switch response.ending {
    case .completed: return answer(response, .completed)
    case .incomplete: return answer(response, .incomplete)
    case .failed: return answer(response, .failed)
    }
  }

  private func answer(_ response: RunningResponse, _ state: StoredLookup.State) -> StoredLookup {
    let output = state == .running ? [] : response.output.map { items[$0].text }
    let error = state == .failed ? #","error":{"code":"server_error","message":"x"}"# : ""
    return StoredLookup(
      state: state,
      text: #"{"id":"\#(response.id)","status":"\#(state.rawValue)","output":[\#(output.joined(separator: ","))]\#(error)}"#)
  }
}
