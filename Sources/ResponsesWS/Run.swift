import RWSClient
import RWSProtocol

/// A tool loop: turns, the calls that they make, and turns with their outputs, until there are none.
///
///     let run = try await session.run("How is the weather in Oslo?", tools: ["weather": Tool { … }])
///     print(run.text)
///
/// A value: what it holds survives what ends it early, and `resume()` goes on.
public struct Run: Sendable {
  public struct Options: Sendable {
    /// More throw `TooManyTurns`.
    public var maxTurns = 64
    /// Of each call; nil: no limit. A tool over its time is cancelled and left behind.
    public var toolTimeout: Duration? = .seconds(300)
    /// So many calls run at once.
    public var maxParallel = 16
    /// Asked before each call that can be run; several may be asked at once.
    public var approve: Tool.Approve?
    /// Told what the next turn sends, before it begins.
    public var onInput: (@Sendable ([InputItem]) async throws -> Void)?
    /// Told of each event as it is read.
    public var onEvent: (@Sendable (Event, Turn) async throws -> Void)?
    /// Told of each turn that has ended well, and what its calls came to.
    public var onTurn: (@Sendable (Turn, [ToolResult]) async throws -> Void)?
    /// Of every turn.
    public var turn = Session.TurnOptions()

    public init() {}
  }

  /// The model still calls tools after so many turns; `resume()` goes on.
  public struct TooManyTurns: Error, Sendable, CustomStringConvertible {
    public let turns: Int
    public var description: String { "The model still calls tools after \(turns) turns (maxTurns)." }
  }

  /// What comes next.
  private enum Next: Sendable {
    case send([InputItem])
    /// The last turn has ended, and the chain has it: its successor, or the outputs of its calls, if any.
    case follow
    case nothing
  }

  public let session: Session
  public let tools: [String: Tool]
  public var options: Options
  /// What the calls came to; it can be given to another run.
  public private(set) var results: ToolResults
  public private(set) var turns: [Turn] = []
  private var next: Next
  /// Ids of the last turn's calls that have a result.
  private var attempt: Set<String> = []

  /// Prepares a run; `resume()` begins it.
  /// - Parameter results: Of an earlier run: what is in it is not run again.
  public init(
    _ session: Session, _ input: [InputItem], tools: [String: Tool], options: Options = Options(),
    results: ToolResults = ToolResults()
  ) {
    self.session = session
    self.tools = tools
    self.options = options
    self.results = results
    next = .send(input)
  }

  /// Output text of the last turn.
  public var text: String { turns.last?.text ?? "" }
  public var refusal: String { turns.last?.refusal ?? "" }
  /// Of the last turn.
  public var outcome: Outcome { turns.last?.outcome ?? .running }
  /// The last response is part of the chain and has no calls: there is nothing to resume.
  public var isFinished: Bool {
    if case .nothing = next { true } else { false }
  }

  /// Runs on until the model calls no more tools. After a failure: sends the failed turn again, or answers the calls
  /// that were open. No call that has a result runs again.
  ///
  /// Throws what ended it: a `ResponsesError`, `TooManyTurns`, a `CancellationError`, or what a callback threw.
  /// A cancelled task cancels the turn and the tools.
  public mutating func resume(maxTurns: Int? = nil) async throws {
    let most = max(1, maxTurns ?? options.maxTurns)
    for _ in 0..<most {
      guard try await follow(), case .send(let input) = next else { return }
      try await options.onInput?(input)
      let turn = try session.start(input, options: options.turn)
      guard try await read(turn) else { return }
    }
    guard try await follow(), case .send = next else { return }
    throw TooManyTurns(turns: most)
  }

  /// What the last turn's end asks for: its successor, if it was steered, is read; its calls are answered.
  /// - Returns: false if a response was cut off.
  private mutating func follow() async throws -> Bool {
    guard case .follow = next, var turn = turns.last else { return true }
    while let successor = try await turn.awaitedSuccessor() {
      guard try await read(successor) else { return false }
      turn = successor
    }
    let calls = turn.calls.filter(\.isRunnable)
    // What was interrupted before it began is begun now.
    try await withRunner { run, calling in for call in calls { run.begin(call, in: &calling) } }
    try Task.checkCancellation()
    var answered: Set<String> = []
    let found = calls.filter { answered.insert($0.callID).inserted }.compactMap { results[$0.callID] }
    next = found.isEmpty ? .nothing : .send(found.map(\.item))
    try await options.onTurn?(turn, found)
    return true
  }

  /// - Returns: false if the chain does not have the turn, because a call was cut off in it.
  private mutating func read(_ turn: Turn) async throws -> Bool {
    turns.append(turn)
    attempt = []
    do {
      try await withRunner { run, calling in
        do {
          for try await event in turn {
            if event.kind == .outputItemDone { run.beginCalls(of: turn, in: &calling) }
            try await run.options.onEvent?(event, turn)
          }
        } catch {
          turn.cancel()
          // What the tools have done by now is part of the news, unless it is nobody's any more.
          if !(error is ResponsesError) || turn.outcome == .cancelled { calling.group.cancelAll() }
          throw error
        }
        // Servers that send no response.output_item.done.
        run.beginCalls(of: turn, in: &calling)
      }
    } catch {
      switch turn.outcome {
      case .completed, .incomplete: _ = try? commit(turn)
      case .running, .failed, .cancelled: results.lose(attempt)
      }
      throw error
    }
    if try commit(turn) { return true }
    try await options.onTurn?(turn, attempt.compactMap { results[$0] })
    return false
  }

  private mutating func commit(_ turn: Turn) throws(ResponsesError) -> Bool {
    // A steered one may have its successor in the chain by now.
    let isWhole = turn.outcome == .completed || turn.incompleteReason == "steered"
    let isInChain = if isWhole { true } else { try session.responseID == turn.responseID }
    guard isInChain else {
      results.lose(attempt)
      return false
    }
    results.keep(attempt)
    next = .follow
    return true
  }

  // MARK: Calls

  /// The calls of one turn that run, while their tasks' group lives.
  private struct Calling {
    var group: TaskGroup<ToolRunner.Ended>
    let runner: ToolRunner
    let effects: [ToolResult]
    var begun: Set<String>
  }

  /// Runs `body`, which begins calls, and then waits for their results.
  private mutating func withRunner(
    _ body: (inout Run, inout Calling) async throws -> Void
  ) async throws {
    let runner = ToolRunner(
      tools: tools, approve: options.approve, timeout: options.toolTimeout,
      slots: Slots(max(1, options.maxParallel)))
    var failure: (any Error)?
    await withTaskGroup(of: ToolRunner.Ended.self) { group in
      var calling = Calling(
        group: group, runner: runner, effects: results.recentEffects, begun: attempt)
      do { try await body(&self, &calling) } catch { failure = error }
      for await ended in calling.group {
        switch ended {
        case .result(let result):
          results.add(result)
          attempt.insert(result.call.callID)
        case .failed(let error): failure = failure ?? error
        case .notBegun: break
        }
      }
    }
    if let failure { throw failure }
  }

  private mutating func beginCalls(of turn: Turn, in calling: inout Calling) {
    for call in turn.calls where !calling.begun.contains(call.callID) && call.isRunnable {
      begin(call, in: &calling)
    }
  }

  private mutating func begin(_ call: ToolCall, in calling: inout Calling) {
    guard calling.begun.insert(call.callID).inserted else { return }
    if results.seen(call) != nil {
      attempt.insert(call.callID)
      return
    }
    let (runner, effects) = (calling.runner, calling.effects)
    calling.group.addTask { await runner.run(call, effects: effects) }
  }
}

extension Turn {
  private static let shortestPause = Duration.milliseconds(1)
  private static let longestPause = Duration.milliseconds(20)

  /// As `successor()`, without a thread that waits.
  fileprivate func awaitedSuccessor() async throws -> Turn? {
    var pause = Self.shortestPause
    while true {
      if let successor = try successor(timeout: .zero) { return successor }
      guard isSuccessorOpen else { return nil }
      try await Task.sleep(for: pause)
      pause = pause < Self.longestPause ? pause * 2 : pause
    }
  }
}
