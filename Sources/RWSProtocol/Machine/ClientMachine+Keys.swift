/// Who waits for an API key.
package enum KeyWaiter {
  /// Who called `awaitKey`, as the shell names it.
  package typealias Caller = UInt64

  case connection(Connection)
  case errand(ErrandID)
  case caller(Caller)
}

/// What is known about the keys of one route. The keys themselves are the shell's.
struct KeyDesk {
  /// The one question under way, and who waits for its answer.
  var question: UInt64?
  var waiting: [KeyWaiter] = []
  /// The question says that the last key was refused.
  var isAboutRefusal = false
  /// Those whose key was refused while a question was under way that does not say so: theirs is the next one.
  var waitingForNext: [KeyWaiter] = []
  /// The first question whose answer is the latest key; later ones may have been answered with the same.
  var latest: UInt64 = 0
  var isLatestRefused = false
}

/// A fresh API key for each connection, where the caller wants to be asked for it.
///
///   to be made ──▶ asked ──key──▶ connect ──401──▶ asked once more ──key──▶ connect ──401──▶ the error
///                    └──── no key, or not in time ────▶ the error
///
/// One question of a route is under way at a time; all who come meanwhile share its answer.
extension ClientMachine {
  func askForKey(_ waiter: KeyWaiter, on route: RouteID, isRefused: Bool = false, _ now: Instant) {
    var desk = keyDesks[route] ?? KeyDesk()
    if isRefused { desk.isLatestRefused = true }
    if desk.isLatestRefused, desk.question != nil, !desk.isAboutRefusal, holds(.refusedMeanwhileAsksNext) {
      desk.waitingForNext.append(waiter)
    } else {
      desk.waiting.append(waiter)
      if desk.question == nil || !holds(.keyQuestionIsShared) { ask(&desk, on: route, now) }
    }
    keyDesks[route] = desk
  }

  private func ask(_ desk: inout KeyDesk, on route: RouteID, _ now: Instant) {
    lastKeyQuestion += 1
    desk.question = lastKeyQuestion
    desk.isAboutRefusal = desk.isLatestRefused && holds(.refusedKeyIsTold)
    counters.keyRequestCount += 1
    if desk.isAboutRefusal { counters.refusedKeyCount += 1 }
    actions.append(.askForKey(route, isRefused: desk.isAboutRefusal))
    guard limits.keyNanoseconds < .max else { return }
    alarms.add(
      .key(route, question: lastKeyQuestion), at: now.advanced(byNanoseconds: limits.keyNanoseconds))
  }

  /// For what the shell connects by itself; answered by `keyAwaited`.
  package func awaitKey(
    _ caller: KeyWaiter.Caller, on route: RouteID, isRefused: Bool = false, now: Instant
  ) {
    askForKey(.caller(caller), on: route, isRefused: isRefused, now)
  }

  /// The answer to `askForKey`; nil: the shell has the key now.
  /// - Parameter isSame: It is the one that it had before.
  package func keyArrived(
    on route: RouteID, _ error: ResponsesError?, isSame: Bool = false, now: Instant
  ) {
    guard var desk = keyDesks[route], let question = desk.question else { return }
    desk.question = nil
    if error == nil, !isSame || desk.latest == 0 {
      desk.latest = question
      desk.isLatestRefused = false
    }
    let waiting = desk.waiting
    desk.waiting = desk.waitingForNext
    desk.waitingForNext = []
    if !desk.waiting.isEmpty {
      desk.isLatestRefused = true
      ask(&desk, on: route, now)
    }
    keyDesks[route] = desk
    for waiter in waiting { serve(waiter, question, error, now) }
    if routes[route] == nil { endKeyDesk(of: route) }
  }

  private func serve(
    _ waiter: KeyWaiter, _ question: UInt64, _ error: ResponsesError?, _ now: Instant
  ) {
    switch waiter {
    case .connection(let connection):
      guard connection.state == .connecting else { return }
      if let error { return closed(connection, error, now: now) }
      connection.keyNumber = question
      actions.append(.connect(connection))
    case .errand(let id):
      guard errands[id] != nil else { return }
      if let error { return failErrand(id, error, now) }
      errands[id]?.keyNumber = question
      makeExchange(id)
    case .caller(let caller):
      actions.append(.keyAwaited(caller, error))
    }
  }

  /// True: the connection's key was refused, and it is dialled again with another.
  func askAgain(_ connection: Connection, _ error: ResponsesError, _ now: Instant) -> Bool {
    let route = connection.route
    guard route.asksForKey, error.isAboutKey else { return false }
    // Whoever asks next is to say so.
    noteRefusedKey(of: connection)
    guard route.sessionCount > 0, !connection.hasAskedAgain || !holds(.anotherKeyOnce), holds(.refusedKeyIsReplaced)
    else { return false }
    connection.hasAskedAgain = true
    askForKey(
      .connection(connection), on: route.id, isRefused: isLatestKey(connection.keyNumber, on: route.id), now)
    return true
  }

  /// Whether no newer key has come meanwhile.
  func isLatestKey(_ number: UInt64, on route: RouteID) -> Bool {
    guard let desk = keyDesks[route] else { return false }
    return number >= desk.latest && number > 0
  }

  /// It may have been refused before for what has passed.
  func noteAcceptedKey(of connection: Connection) {
    guard connection.route.asksForKey, isLatestKey(connection.keyNumber, on: connection.routeID) else { return }
    keyDesks[connection.routeID]?.isLatestRefused = false
  }

  func noteRefusedKey(of connection: Connection) {
    guard isLatestKey(connection.keyNumber, on: connection.routeID) else { return }
    keyDesks[connection.routeID]?.isLatestRefused = true
  }

  func expireKeyQuestion(_ question: UInt64, on route: RouteID, _ now: Instant) {
    guard keyDesks[route]?.question == question, holds(.keyQuestionExpires) else { return }
    actions.append(.forgetKeyRequest(route))
    let seconds = limits.keyNanoseconds / 1_000_000_000
    keyArrived(
      on: route,
      ResponsesError(.apiKey, "The callback for the API key gave none within \(seconds) s (connect_timeout)."),
      now: now)
  }

  /// Callers may wait beyond the route's sessions.
  func endKeyDesk(of route: RouteID) {
    guard keyDesks[route]?.question == nil else { return }
    keyDesks[route] = nil
  }

  // MARK: Whose keys they are

  /// How the server's answer named the organisation of the connection's key.
  package func noteOrganization(_ name: String, of connection: Connection) {
    connection.organization = name
    for turn in connection.runningTurns { noteOrganization(of: turn, connection) }
  }

  /// Another organisation cannot read the reasoning that is encrypted for the one before: a key of it is a mistake
  /// more often than a wish.
  func noteOrganization(of turn: ActiveTurn, _ connection: Connection) {
    let session = turn.session
    let name = connection.organization
    guard !name.isEmpty else { return }
    defer { session.organization = name }
    guard !session.organization.isEmpty, session.organization != name else { return }
    turn.appendNotice("rws.organization") { writer in
      writer.member("organization", name)
      writer.member("reason", "changed")
    }
    deliver(turn)
  }
}

extension ResponsesError {
  /// 403 is about what the key may do: another of the same kind would fare no better.
  var isAboutKey: Bool { httpStatus == 401 }
}
