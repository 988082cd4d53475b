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
    var connect = connectOptions(on: machine.route(of: session))
    connect.url = connect.url.appendingPath(path)
    let request: HTTPRequest
    do throws(UpgradeRequestError) {
      request = try HTTPRequest("POST", connect.url, fields: connect.fields.accepting("application/json"), body: body)
    } catch {
      return answered(.failure(ResponsesError(.invalidArgument, "A header cannot be sent: \(error)")))
    }
    log(.debug, "posting \(body.count) bytes to \(connect.url.path)")
    lastErrand += 1
    let id = lastErrand
    let driver = HTTPRequestDriver(
      request, over: connect, bodyBytesMax: options.messageBytesMax,
      silence: options.eventGapTimeout?.nanoseconds, total: options.turnTimeout?.nanoseconds, on: loop
    ) { [self] answer in
      errands.removeValue(forKey: id)?.answered(answer)
    }
    errands[id] = Errand(session: session, driver: driver, answered: answered)
  }

  /// The session, or all of them (nil), are closed: nobody waits for an answer any more but to hear that.
  func endErrands(of session: SessionID?) {
    for (id, errand) in errands where session == nil || errand.session == session {
      errands[id] = nil
      errand.driver.cancel()
      errand.answered(.failure(.closedWithClient))
    }
  }
}

/// A request under way.
struct Errand {
  let session: SessionID
  let driver: HTTPRequestDriver
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
