/// Configuration, credentials, one I/O thread, the connections.
///
/// Thread-safe. Sessions and turns keep their client alive; it closes when the last of them goes, or
/// by `close()`.
public final class Client: Sendable {
  let core: ClientCore

  /// Nothing is connected yet.
  public init(_ options: ClientOptions = ClientOptions()) throws(ResponsesError) {
    core = try ClientCore(options)
  }

  public convenience init(baseURL: String, apiKey: String? = nil) throws(ResponsesError) {
    try self.init(ClientOptions(baseURL: baseURL, apiKey: apiKey))
  }

  deinit { core.shutDown() }

  /// Starts a chain of responses.
  /// - Parameter settings: A JSON object: the fields of `POST /v1/responses` that every turn shares (model,
  ///   instructions, tools, store, …), sent verbatim with each turn, unknown ones included.
  /// - Parameter identity: As whom, where that is not the client's own. Such sessions have connections of their own.
  public func session(
    settings: String, as identity: Identity? = nil
  ) throws(ResponsesError) -> Session {
    try session(settings: Array(settings.utf8), as: identity)
  }

  package func session(
    settings: [UInt8], as identity: Identity? = nil
  ) throws(ResponsesError) -> Session {
    if let refusal = core.refusal { throw refusal }
    let settings = try Settings(json: settings)
    return Session(client: self, settings: settings, as: try prepared(identity))
  }

  /// What was done about failures so far, in all sessions together.
  public var counters: RecoveryCounters {
    get throws(ResponsesError) {
      if let refusal = core.refusal { throw refusal }
      let counters = try core.ask(timeout: nil) { [core] answer in answer(core.machine.counters) }
      guard let counters else { throw ResponsesError(.closed, "The client is closed.") }
      return counters
    }
  }

  func prepared(_ identity: Identity?) throws(ResponsesError) -> PreparedIdentity? {
    try identity.map { identity throws(ResponsesError) in
      try PreparedIdentity(identity, of: core.options, url: core.connect.url)
    }
  }

  /// Closes every connection with a close frame (RFC 6455 §7.1.2); turns that still run end as
  /// cancelled. Waits until the peers have answered or `timeout` has passed.
  /// - Returns: false if some peer did not answer; it is closed nevertheless.
  @discardableResult
  public func close(timeout: Duration = .seconds(2)) throws(ResponsesError) -> Bool {
    try core.close(timeout: timeout)
  }

  /// Closes without waiting for the peers. When it returns, no callback runs any more; called from a
  /// callback, that follows the callback.
  package func closeNow() { core.shutDown() }
}
