import RWSProtocol

/// The caller's callback for API keys: it keeps the one that it has, unless it is told that it was refused.
struct SimKeys {
  /// The one that was given last; 0: none was yet.
  var current = 0
  /// The server takes none up to this one.
  var revoked = 0
  /// The latest that the client was told to be refused.
  var refusedTold = 0
  /// The question under way; later answers to it are nobody's.
  var question: Int?
  var questions = 0
  /// That each connection was dialled with last.
  var dialled: [ConnectionID: Int] = [:]
  /// How often each connection was refused for its key.
  var refusals: [ConnectionID: Int] = [:]
  /// When a connection was last refused for a second key.
  var refusedTwice: Int64 = -1
}

extension World {
  func askForKey(isRefused: Bool) {
    trace("  a key is asked for\(isRefused ? ", the last was refused" : "")")
    if keys.question != nil { Violation.report("a key is asked for while a question is under way") }
    if keys.refusedTold == keys.current, keys.current > 0, !isRefused {
      Violation.report("a key is asked for, and nothing said of the refused one")
    }
    keys.questions += 1
    let question = keys.questions
    keys.question = question
    // Does not answer: the client gives up waiting.
    if hasFaults, random.oneIn(20) { return }
    let isFailing = hasFaults && random.oneIn(12)
    clock.after(Int64(random.below(120))) { [self] in
      guard keys.question == question else { return }
      keys.question = nil
      let isSame = keys.current > 0 && !isRefused
      if !isFailing, !isSame { keys.current += 1 }
      trace("  \(isFailing ? "no key" : "key \(keys.current)")")
      machine.keyArrived(on: RouteID(1), isFailing ? ResponsesError(.apiKey, "no key today") : nil, isSame: isSame, now: now)
      perform()
    }
  }

  func noteDialKey(_ connection: Connection) {
    guard conditions.asksForKey else { return }
    if keys.question == nil, keys.current == 0 {
      Violation.report("connection \(connection.id.value) is dialled without a key")
    }
    if let before = keys.dialled[connection.id], before == keys.current {
      Violation.report("connection \(connection.id.value) is dialled again with the key that was refused")
    }
    keys.dialled[connection.id] = keys.current
  }

  /// The server says 401 to it.
  func isKeyRefused(_ connection: Connection) -> Bool {
    conditions.asksForKey && keys.dialled[connection.id, default: 0] <= keys.revoked
  }

  /// What the client was told of the key before has passed.
  func noteAcceptedKey(_ connection: Connection) {
    let key = keys.dialled[connection.id, default: 0]
    if connection.transport == .webSocket, keys.refusedTold == key { keys.refusedTold = key - 1 }
  }

  func noteRefusedKey(_ connection: Connection) {
    guard conditions.asksForKey else { return }
    keys.refusedTold = max(keys.refusedTold, keys.dialled[connection.id, default: 0])
    let count = keys.refusals[connection.id, default: 0] + 1
    keys.refusals[connection.id] = count
    if count > 1 { keys.refusedTwice = clock.now }
    if count > 2 { Violation.report("connection \(connection.id.value) is dialled again after two refused keys") }
  }

  func judgeKey(_ turn: SimTurn, _ error: ResponsesError) {
    guard conditions.asksForKey, error.httpStatus == 401 else { return }
    let hasTriedAnother = keys.refusedTwice == clock.now || turn.resends.contains("key_refused")
    if !hasTriedAnother { Violation.report("\(turn.tag) ended with 401, and no other key was asked for") }
  }
}
