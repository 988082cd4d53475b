import RWSClient

extension Session {
  /// What ended a run early, and the run: `resume()` goes on.
  public struct RunFailure: Error, Sendable, CustomStringConvertible {
    /// A `ResponsesError`, `Run.TooManyTurns`, a `CancellationError`, or what a callback threw.
    public let error: any Error
    public var run: Run
    public var description: String { "\(error)" }
  }

  /// Runs what the model calls, at once when a call is complete, several at a time; answers, and so on until it calls
  /// no more.
  /// - Parameter tools: By the names that the session's settings declare.
  /// - Parameter results: Of an earlier run: what is in it is not run again.
  public func run(
    _ input: [InputItem], tools: [String: Tool], options: Run.Options = Run.Options(),
    results: ToolResults = ToolResults()
  ) async throws(RunFailure) -> Run {
    var run = Run(self, input, tools: tools, options: options, results: results)
    do {
      try await run.resume()
    } catch {
      throw RunFailure(error: error, run: run)
    }
    return run
  }

  public func run(
    _ text: String, tools: [String: Tool], options: Run.Options = Run.Options(),
    results: ToolResults = ToolResults()
  ) async throws(RunFailure) -> Run {
    try await run([.user(text)], tools: tools, options: options, results: results)
  }
}
