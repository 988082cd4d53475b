import RWSNetwork

extension ClientCore {
  /// Answers come as soon as the loop gets to them; a callback that blocks must not block others for ever.
  static let loopPatience = Duration.seconds(10)

  /// Runs `question` on the loop and waits for its answer; nil when `timeout` passed.
  func ask<Answer: Sendable>(
    timeout: Duration?,
    _ question: @escaping @Sendable (@escaping @Sendable (Answer) -> Void) -> Void
  ) throws(ResponsesError) -> Answer? {
    let slot = AnswerSlot<Answer>()
    if thread.isCurrent {
      question { slot.put($0) }
      guard let answer = slot.take(until: 0) else { try checkMayWait(); return nil }
      return answer
    }
    guard loop.post({ question { slot.put($0) } }) else {
      throw ResponsesError(.closed, "The client is closed.")
    }
    return slot.take(until: timeout.map { MonotonicClock.deadline(after: $0.nanoseconds) })
  }
}

/// One value handed from the loop to a waiting thread.
private final class AnswerSlot<Answer: Sendable>: @unchecked Sendable {
  private let lock = Lock()
  private let arrived = Condition()
  private var answer: Answer?

  func put(_ answer: Answer) {
    lock.withLock {
      self.answer = answer
      arrived.broadcast()
    }
  }

  func take(until deadline: Int64?) -> Answer? {
    lock.withLock {
      while answer == nil {
        guard deadline != 0, arrived.wait(lock, until: deadline) else { return answer }
      }
      return answer
    }
  }
}
