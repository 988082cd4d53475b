import RWSNetwork

/// One request at a time that a call begins, and that this call or a later one waits for: so that who must not wait may
/// look again.
final class ErrandSlot<Key: Equatable & Sendable, Answer: Sendable>: Sendable {
  private let state = State()

  private final class State: @unchecked Sendable {
    let lock = Lock()
    var current: Run?
  }

  /// Answered once; whoever waited for it, and one later call, take the answer.
  private final class Run: @unchecked Sendable {
    let key: Key
    let lock = Lock()
    let arrived = Condition()
    var answer: Result<Answer, ResponsesError>?
    var onAnswer: [@Sendable () -> Void] = []

    init(_ key: Key) { self.key = key }

    func finish(_ answer: Result<Answer, ResponsesError>) {
      let actions = lock.withLock {
        self.answer = answer
        arrived.broadcast()
        defer { onAnswer = [] }
        return onAnswer
      }
      for action in actions { action() }
    }

    func wait(until deadline: Int64?) -> Result<Answer, ResponsesError>? {
      lock.withLock {
        while answer == nil {
          guard deadline != 0, arrived.wait(lock, until: deadline) else { break }
        }
        return answer
      }
    }
  }

  typealias Begin = (@escaping @Sendable (Result<Answer, ResponsesError>) -> Void) -> Bool

  /// Begins what `key` stands for, unless it is under way or its answer was not taken yet, and waits for the answer.
  /// Nil: not within `timeout`. Busy while something else is under way.
  func run(
    _ key: Key, timeout: Duration?, begin: Begin
  ) throws(ResponsesError) -> Answer? {
    let run = try join(key, begin: begin)
    let deadline = timeout.map { $0 == .zero ? 0 : MonotonicClock.deadline(after: $0.nanoseconds) }
    guard let answer = run.wait(until: deadline) else { return nil }
    forget(run)
    return try answer.get()
  }

  /// As `run`, without waiting: `action` is called once there is an answer, which `run` then gives.
  func whenAnswered(
    _ key: Key, begin: Begin, _ action: @escaping @Sendable () -> Void
  ) throws(ResponsesError) {
    let run = try join(key, begin: begin)
    let isAnswered = run.lock.withLock {
      if run.answer == nil { run.onAnswer.append(action) }
      return run.answer != nil
    }
    if isAnswered { action() }
  }

  /// An answer that nobody took is out of date.
  func dropAnswer() {
    state.lock.withLock {
      guard let run = state.current, run.lock.withLock({ run.answer != nil }) else { return }
      state.current = nil
    }
  }

  private func join(_ key: Key, begin: Begin) throws(ResponsesError) -> Run {
    var fresh: Run?
    let run = state.lock.withLock {
      if let current = state.current, current.key == key || !current.lock.withLock({ current.answer != nil }) {
        return current
      }
      let run = Run(key)
      state.current = run
      fresh = run
      return run
    }
    guard run.key == key else {
      throw ResponsesError(.busy, "Another request of this kind is under way for the session.")
    }
    if let fresh, !begin({ fresh.finish($0) }) {
      fresh.finish(.failure(ResponsesError(.closed, "The client is closed.")))
    }
    return run
  }

  private func forget(_ run: Run) {
    state.lock.withLock { if state.current === run { state.current = nil } }
  }
}
