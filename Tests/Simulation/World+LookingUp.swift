import RWSProtocol

/// The fate of stored responses whose connection was lost.
extension World {
  func lookUp(_ responseID: String, _ id: ErrandID) {
    guard let turn = turns.values.first(where: { $0.ends == 0 && $0.responseID == responseID }) else {
      return Violation.report("the response \(responseID), which nobody waits for, is looked up")
    }
    turn.lookup = (nil, clock.now)
    clock.after(Int64(random.below(80))) { [self] in
      guard turn.ends == 0 else { return }
      let isFailing = hasFaults && random.oneIn(6)
      let found = isFailing ? nil : server.lookUp(responseID)
      turn.lookup = (found?.state, clock.now)
      trace("\(turn.tag): \(responseID) is looked up: \(found?.text.prefix(100) ?? "no answer")")
      var error = ResponsesError(isFailing && random.oneIn(2) ? .overloaded : .api, "no")
      error.httpStatus = error.status == .overloaded ? 503 : 404
      machine.lookedUp(id, found.map { .success(Array($0.text.utf8)) } ?? .failure(error), now: now)
      perform()
    }
  }

  func judgeLookup(_ turn: SimTurn, _ end: TurnEnd) {
    // There may be no key to ask with.
    guard !conditions.asksForKey else { return }
    guard let lookup = turn.lookup else {
      if let error = end.error, error.status == .connectionLost || error.status == .peerClosed,
        turn.isStored, !turn.isWarmUp, !turn.isSuccessor, !turn.isSteered, !turn.responseID.isEmpty
      {
        Violation.report("\(turn.tag) is stored, was lost, and was not looked up")
      }
      return
    }
    switch (lookup.state, end.outcome) {
    case (.completed, .completed), (.incomplete, .incomplete), (.failed, .failed): break
    case (.completed, _), (.incomplete, _), (.failed, _):
      Violation.report("\(turn.tag) was found \(lookup.state.map { "\($0)" } ?? ""), and ended \(end.outcome)")
    case (.running, _) where clock.now - max(lookup.at, lastJump) > 1_000:
      Violation.report("\(turn.tag) was found running, and for \(clock.now - lookup.at) nobody looked again")
    case (.running, _), (nil, _): break
    }
  }
}
