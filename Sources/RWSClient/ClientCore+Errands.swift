import RWSNetwork
import RWSProtocol
import RWSWebSocket

/// Requests beside the turns: compacting, counting. On the loop only.
extension ClientCore {
  /// Nil: there is nothing to do.
  func compact(
    _ session: SessionID, ifOver tokens: Int64?,
    _ done: @escaping @Sendable (Result<Compaction?, ResponsesError>) -> Void
  ) {
    let body: [UInt8]
    do throws(ResponsesError) {
      guard let needed = try machine.beginCompacting(session, ifOver: tokens) else { return done(.success(nil)) }
      body = needed
    } catch {
      return done(.failure(error))
    }
    post(body, to: "compact", for: session) { [self] answer in
      var result = Result<Compaction, ResponsesError>.failure(.closedWithClient)
      drive { result = $0.endCompacting(session, answer, now: $1) }
      done(result.map { $0 }.mapError(presentable))
    }
  }

  func countTokens(
    _ session: SessionID, _ input: TurnInput,
    _ done: @escaping @Sendable (Result<Int64, ResponsesError>) -> Void
  ) {
    let body: [UInt8]
    do throws(ResponsesError) {
      body = try machine.countingBody(session, input: input)
    } catch {
      return done(.failure(error))
    }
    post(body, to: "input_tokens", for: session) { [self] answer in
      done(answer.flatMap(ClientMachine.inputTokens).mapError(presentable))
    }
  }

  /// `answered` is called once, also when the session or the client is closed first.
  private func post(
    _ body: [UInt8], to path: String, for session: SessionID,
    _ answered: @escaping (HTTPRequestDriver.Answer) -> Void
  ) {
    guard !hasClosedSessions else { return answered(.failure(.closedWithClient)) }
    lastErrand += 1
    let id = ErrandID(lastErrand)
    let total = options.turnTimeout?.nanoseconds
    errands[id] = Errand(
      session: session, path: path, body: body, deadline: total.map(MonotonicClock.deadline), answered: answered)
    drive { $0.beginErrand(id, of: session, recovery: options.recovery, total: total, now: $1) }
  }

  /// Makes the exchange, perhaps once more.
  func post(_ id: ErrandID) {
    guard let errand = errands[id] else { return }
    var connect = connectOptions(on: machine.route(of: errand.session))
    connect.url = connect.url.appendingPath(errand.path)
    let request: HTTPRequest
    do throws(UpgradeRequestError) {
      request = try HTTPRequest(
        "POST", connect.url, fields: connect.fields.accepting("application/json"), body: errand.body)
    } catch {
      drive { machine, _ in machine.dropErrand(id) }
      errands[id] = nil
      return errand.answered(.failure(ResponsesError(.invalidArgument, "A header cannot be sent: \(error)")))
    }
    log(.debug, "posting \(errand.body.count) bytes to \(connect.url.path)")
    errands[id]?.driver = HTTPRequestDriver(
      request, over: connect, or: idleConnections, bodyBytesMax: options.messageBytesMax,
      silence: options.eventGapTimeout?.nanoseconds, deadline: errand.deadline, on: loop
    ) { [self] answer in ended(id, answer) }
  }

  /// Of a stored response.
  func lookUp(_ id: ErrandID, _ route: RouteID, _ responseID: String) {
    var connect = connectOptions(on: route)
    connect.url = connect.url.appendingPath(responseID)
    let request: HTTPRequest
    do throws(UpgradeRequestError) {
      var fields = connect.fields
      if !fields.contains("Accept") { fields.append("Accept", "application/json") }
      request = try HTTPRequest("GET", connect.url, fields: fields)
    } catch {
      return drive {
        $0.lookedUp(id, .failure(ResponsesError(.invalidArgument, "A header cannot be sent: \(error)")), now: $1)
      }
    }
    log(.info, "looking up \(responseID), whose connection was lost")
    lookups[id]?.cancel()
    lookups[id] = HTTPRequestDriver(
      request, over: connect, or: idleConnections, bodyBytesMax: options.messageBytesMax,
      silence: options.eventGapTimeout?.nanoseconds, deadline: nil, on: loop
    ) { [self] answer in
      lookups[id] = nil
      drive { $0.lookedUp(id, answer, now: $1) }
    }
  }

  private func ended(_ id: ErrandID, _ answer: HTTPRequestDriver.Answer) {
    errands[id]?.driver = nil
    var failure: ResponsesError?
    if case .failure(let error) = answer { failure = error }
    var isOver = true
    drive { isOver = $0.errandEnded(id, failure, now: $1) }
    if isOver { errands.removeValue(forKey: id)?.answered(answer) }
  }

  /// The session, or all of them (nil), are closed: nobody waits for an answer any more but to hear that.
  func endErrands(of session: SessionID?) {
    for (id, errand) in errands where session == nil || errand.session == session {
      errands[id] = nil
      machine.dropErrand(id)
      errand.driver?.cancel()
      errand.answered(.failure(.closedWithClient))
    }
  }
}

/// A request under way.
struct Errand {
  let session: SessionID
  let path: String
  let body: [UInt8]
  let deadline: Int64?
  /// While an exchange is under way.
  var driver: HTTPRequestDriver?
  let answered: (HTTPRequestDriver.Answer) -> Void
}

extension HTTPFields {
  /// What a body of JSON needs, where the caller has not said otherwise.
  func accepting(_ type: String) -> HTTPFields {
    var all = self
    if !contains("Content-Type") { all.append("Content-Type", "application/json") }
    if !contains("Accept") { all.append("Accept", type) }
    return all
  }
}

extension ResponsesError {
  fileprivate static var closedWithClient: ResponsesError {
    ResponsesError(.closed, "The session or its client was closed.")
  }
}
