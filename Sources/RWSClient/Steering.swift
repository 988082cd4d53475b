import RWSNetwork
import RWSProtocol

/// User input for a response that runs already: what became of it. Thread-safe.
public final class Steering: Sendable {
  private let core: SteerCore
  private let client: ClientCore

  init(_ core: SteerCore, _ client: ClientCore) {
    self.core = core
    self.client = client
  }

  public enum State: Sendable, Equatable {
    /// On its way; the server has not answered.
    case sent
    /// The server owns the input: do not send it again.
    case accepted
    /// The server holds it until the session's next turn answers the response's calls; it then stands at the head of
    /// that turn's input.
    case pending
    /// It is part of the context: the turn's successor, or the next turn, began with it.
    case committed
    /// Not used; give it with the next turn if it is still wanted.
    case returned(ResponsesError)
    /// The connection was lost or the turn ended first: it may have been used.
    case unknown(ResponsesError)
  }

  public var state: State {
    switch core.state {
    case .queued, .sent: .sent
    case .accepted: .accepted
    case .pending: .pending
    case .committed: .committed
    case .returned(let error): .returned(error)
    case .unknown(let error): .unknown(error)
    }
  }

  /// Waits until it is committed, returned, unknown or pending, at most `timeout` (nil: until then; the turn's
  /// time limits bound it).
  /// - Returns: false if it is none of these yet.
  @discardableResult
  public func wait(timeout: Duration? = nil) throws(ResponsesError) -> Bool {
    if timeout != .zero { try client.checkMayWait() }
    return core.wait(until: timeout.map { MonotonicClock.deadline(after: $0.nanoseconds) })
  }
}

extension Turn {
  /// Gives the running response further user input: it ends at a safe boundary (`incompleteReason` is `steered`), and a
  /// successor follows by itself, with the same settings: `successor()`. Only some models can be steered.
  public func steer(_ text: String) throws(ResponsesError) -> Steering {
    try steer([.user(text)])
  }

  /// - Parameter input: User messages with `type`, `role` and `content` only.
  public func steer(_ input: [InputItem]) throws(ResponsesError) -> Steering {
    try steer(InputItem.checked(input))
  }

  package func steer(_ input: TurnInput) throws(ResponsesError) -> Steering {
    let client = session.client.core
    if let refusal = client.refusal { throw refusal }
    guard input.items.count > 0 else {
      throw ResponsesError(.invalidArgument, "Steering needs input.")
    }
    guard !core.hasEnded else {
      throw ResponsesError(.closed, "The turn has ended; give the input with the session's next turn.")
    }
    let steer = SteerCore(client.makeSteerID(), of: core)
    core.admit(steer)
    let responseID = String(decoding: core.withAssembly { assembly, _ in assembly.responseID.utf8 }, as: UTF8.self)
    client.loop.post { [core] in
      client.steer(core.id, steer, input, responseID: responseID)
    }
    return Steering(steer, client)
  }

  /// The turn that follows this one by itself after steering, at most `timeout` (nil: until it is known; time limits
  /// bound it).
  /// - Returns: nil if none follows, or if `timeout` passed first (`isSuccessorOpen` tells).
  public func successor(timeout: Duration? = nil) throws(ResponsesError) -> Turn? {
    if timeout != .zero { try session.client.core.checkMayWait() }
    let deadline = timeout.map { MonotonicClock.deadline(after: $0.nanoseconds) }
    return core.waitForSuccessor(until: deadline).map { Turn(session: session, core: $0) }
  }

  /// Whether a successor may still follow.
  public var isSuccessorOpen: Bool { core.isSuccessorOpen }
}
