import RWSJSON

/// What `POST /responses/compact` made of a session's history.
public struct Compaction: Sendable, Equatable {
  /// The window that the session goes on from: a JSON array of items. Whoever keeps a whole history of its own puts this
  /// in its place.
  public var output: String { String(decoding: outputBytes, as: UTF8.self) }
  /// What compacting took; nil: the server did not say.
  public let usage: Usage?

  package let outputBytes: [UInt8]
}

/// Requests beside the turns that look at a session's history over HTTP: HTTP cannot see a socket's cache, so they carry all
/// of it. The shell makes the exchange.
///
/// While a session is compacted its turns wait: what they continue is about to be another. If compacting fails,
/// everything is as before.
extension ClientMachine {
  /// Begins to compact: the body to send, answered by `endCompacting`. Nil: there is nothing to do, because there is no
  /// history, or the context is known not to be larger than `tokens`, or has
  /// just been compacted.
  package func beginCompacting(
    _ id: SessionID, ifOver tokens: Int64?
  ) throws(ResponsesError) -> [UInt8]? {
    let session = try openSession(id)
    guard session.isIdle else {
      throw ResponsesError(
        .busy, "A turn of the session runs or waits, or it is being compacted; compact between turns.")
    }
    guard !session.settings.hasConversation else {
      throw ResponsesError(
        .invalidArgument, "A session that is bound to a conversation has its history on the server only.")
    }
    guard !session.chain.history.isEmpty else { return nil }
    if let tokens {
      if let known = session.ledger.contextTokens, known <= tokens { return nil }
      if session.chain.isJustCompacted { return nil }
    }
    let missing = session.chain.history.openCalls
    guard missing.isEmpty else { throw .missingOutput(missing) }
    session.isCompacting = true
    return session.chain.compactionBody(session.settings)
  }

  /// - Parameter answer: The body of the answer, or why there is none.
  package func endCompacting(
    _ id: SessionID, _ answer: Result<[UInt8], ResponsesError>, now: Instant
  ) -> Result<Compaction, ResponsesError> {
    guard let session = sessions[id], session.isCompacting else {
      return .failure(.sessionClosed)
    }
    session.isCompacting = false
    defer { pump(session, now) }
    return answer.flatMap { body in
      guard let value = try? JSONValue(parsing: body), let output = value["output"],
        output.kind == .array, !output.elements.isEmpty,
        output.elements.allSatisfy({ $0.kind == .object })
      else { return .failure(.unreadable("compaction", body)) }
      session.chain.rebase(output.elements)
      session.ledger.rebase(hasHistory: true)
      let usage = value["usage"].flatMap { usage in usage.bytes.withUnsafeBytes { Usage($0) } }
      return .success(Compaction(usage: usage, outputBytes: Array(output.bytes)))
    }
  }

  /// What the server is to count: the whole input of a next turn.
  package func countingBody(
    _ id: SessionID, input: TurnInput
  ) throws(ResponsesError) -> [UInt8] {
    let session = try openSession(id)
    return session.chain.countingBody(session.settings, input: input)
  }

  package static func inputTokens(in answer: [UInt8]) -> Result<Int64, ResponsesError> {
    guard let tokens = (try? JSONValue(parsing: answer))?["input_tokens"]?.int, tokens >= 0 else {
      return .failure(.unreadable("token count", answer))
    }
    return .success(tokens)
  }

  package func route(of id: SessionID) -> RouteID? { sessions[id]?.route.id }

  private func openSession(_ id: SessionID) throws(ResponsesError) -> SessionState {
    guard let session = sessions[id] else { throw .sessionClosed }
    return session
  }
}

extension ResponsesError {
  fileprivate static var sessionClosed: ResponsesError {
    ResponsesError(.closed, "The session is closed.")
  }

  fileprivate static func unreadable(_ what: String, _ answer: [UInt8]) -> ResponsesError {
    var error = ResponsesError(
      .invalidEvent,
      "The server's answer is no \(what); check that the base URL points to a Responses API.")
    error.body = Array(answer.prefix(bodyBytesMax))
    return error.with(.started)
  }
}
