import RWSClient

extension APIKeySource {
  /// - Parameter key: Gives a key; the argument is true where the server has refused the last one. Runs in a task of
  ///   its own. What it throws is described in the turn's error: keep secrets out of it.
  public convenience init(key: @escaping @Sendable (_ isRefused: Bool) async throws -> String) {
    self.init { request in
      Task {
        do {
          request.answer(try await key(request.isRefused))
        } catch {
          request.fail("The callback for the API key failed: \(error)")
        }
      }
    }
  }
}
