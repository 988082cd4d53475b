/// A request beside the turns that changes nothing on the server.
struct Errand {
  let route: Route
  let recovery: RecoveryOptions
  let start: Instant
  /// In nanoseconds; nil: no limit.
  let total: Int64?
  var attempt = 0
  var keyNumber: UInt64 = 0
  var hasAskedAgain = false
  /// The machine's own: it looks for a stored response. nil: the shell knows what it is.
  var lookup: (turn: TurnID, responseID: String)?
  /// Times that it was found running.
  var polls = 0
}

/// Requests beside the turns: the machine says when they are made, the shell makes them. They may be made again whatever
/// became of them.
extension ClientMachine {
  /// Answered by `post` or `errandFailed`.
  package func beginErrand(
    _ id: ErrandID, of session: SessionID, recovery: RecoveryOptions, total: Int64?, now: Instant
  ) {
    guard let route = sessions[session]?.route else {
      return actions.append(.errandFailed(id, ResponsesError(.closed, "The session is closed.")))
    }
    errands[id] = Errand(route: route, recovery: recovery, start: now, total: total)
    begin(id, now)
  }

  func begin(_ id: ErrandID, _ now: Instant) {
    guard let route = errands[id]?.route else { return }
    if route.asksForKey { askForKey(.errand(id), on: route.id, now) } else { makeExchange(id) }
  }

  func makeExchange(_ id: ErrandID) {
    guard let errand = errands[id] else { return }
    if let lookup = errand.lookup {
      actions.append(.lookUp(id, errand.route.id, lookup.responseID))
    } else {
      actions.append(.post(id))
    }
  }

  /// How the exchange ended; nil: well. False: it is made again (`post`).
  package func errandEnded(_ id: ErrandID, _ error: ResponsesError?, now: Instant) -> Bool {
    guard var errand = errands[id] else { return true }
    guard let error else {
      errands[id] = nil
      return true
    }
    let route = errand.route
    if route.asksForKey, error.isAboutKey, !errand.hasAskedAgain {
      errand.hasAskedAgain = true
      errands[id] = errand
      askForKey(.errand(id), on: route.id, isRefused: isLatestKey(errand.keyNumber, on: route.id), now)
      return false
    }
    let wait = recovery.retry(
      errand.recovery, attempt: errand.attempt, after: error, on: route,
      elapsed: now.nanoseconds(since: errand.start), of: errand.total, now)
    guard let wait else {
      errands[id] = nil
      return true
    }
    errand.attempt += 1
    errands[id] = errand
    counters.retriedRequestCount += 1
    alarms.add(.errand(id), at: now.advanced(byNanoseconds: wait))
    return false
  }

  /// Nobody waits for its answer any more.
  package func dropErrand(_ id: ErrandID) { errands[id] = nil }

  func resumeErrand(_ id: ErrandID, _ now: Instant) {
    // Nobody waits for it any more.
    if let turn = errands[id]?.lookup?.turn, turns[turn] == nil { return dropErrand(id) }
    // A wait may have been long; the key is asked for anew.
    begin(id, now)
  }

  func failErrand(_ id: ErrandID, _ error: ResponsesError, _ now: Instant) {
    guard let errand = errands.removeValue(forKey: id) else { return }
    if let lookup = errand.lookup {
      guard let turn = turns[lookup.turn], case .lookingUp(_, _, let lost) = turn.phase else { return }
      return failLookup(turn, lost, now)
    }
    actions.append(.errandFailed(id, error))
  }
}
