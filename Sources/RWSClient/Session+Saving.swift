import RWSNetwork

extension Session {
  /// The session for another process, as versioned JSON: settings, and what is committed of the history, byte for byte;
  /// a turn that runs is not part of it. `Client.restore` goes on from there.
  ///
  /// It holds prompts, outputs and ciphertext of reasoning: keep it as you keep those. It holds no credentials: neither
  /// key nor headers, and those of MCP tools are left out.
  public func save() throws(ResponsesError) -> [UInt8] {
    try checkIsOpen()
    let saved = try client.core.ask(timeout: nil) { [id, core = client.core] answer in
      answer(core.machine.saved(id))
    }
    guard let saved = saved ?? nil else { throw ResponsesError(.closed, "The session is closed.") }
    return saved.json
  }

  /// `save()` to a file that only its owner may read (mode 0600), whole or not at all.
  public func save(to path: String) throws(ResponsesError) {
    try SavedFile.write(save(), to: path)
  }
}

extension Client {
  /// A session that goes on from a saved one: by the id of its last response if that is stored, else with one turn that
  /// sends the whole history (`restored`).
  /// - Parameter overrides: Settings that replace or, with null, remove those saved. "tools" must be given again if
  ///   MCP tools had credentials.
  public func restore(
    _ saved: [UInt8], overrides: String = "", as identity: Identity? = nil
  ) throws(ResponsesError) -> Session {
    try restore(saved, overrides: Array(overrides.utf8), as: identity)
  }

  package func restore(
    _ saved: [UInt8], overrides: [UInt8], as identity: Identity?
  ) throws(ResponsesError) -> Session {
    if let refusal = core.refusal { throw refusal }
    let saved = try SavedSession(json: saved, overrides: Settings(overrides: overrides))
    return Session(
      client: self, settings: saved.settings, as: try prepared(identity), restoring: saved)
  }
}
