import RWSNetwork

extension ClientCore {
  /// Answers come as soon as the loop gets to them; a callback that blocks must not block others for ever.
  static let loopPatience = Duration.seconds(10)

  /// Runs `question` on the loop and waits for its answer; nil when `timeout` passed. What the loop can
  /// answer by itself, it answers whatever the timeout.
  func ask<Answer: Sendable>(
    timeout: Duration?,
    _ question: @escaping @Sendable (@escaping @Sendable (Answer) -> Void) -> Void
  ) throws(ResponsesError) -> Answer? {
    let slot = AnswerSlot<Answer>()
    if thread.isCurrent {
      question { slot.put($0) }
      return slot.take(until: 0)
    }
    let isPosted = loop.post {
      question { slot.put($0) }
      slot.noteAsked()
    }
    guard isPosted else { throw ResponsesError(.closed, "The client is closed.") }
    let deadline = timeout.map { MonotonicClock.deadline(after: $0.nanoseconds) }
    slot.waitUntilAsked(until: MonotonicClock.deadline(after: Self.loopPatience.nanoseconds))
    return slot.take(until: deadline)
  }
}

/// One value handed from the loop to a waiting thread.
private final class AnswerSlot<Answer: Sendable>: @unchecked Sendable {
  private let lock = Lock()
  private let arrived = Condition()
  private var answer: Answer?
  private var isAsked = false

  func put(_ answer: Answer) {
    lock.withLock {
      self.answer = answer
      arrived.broadcast()
    }
  }

  func noteAsked() {
    lock.withLock {
      isAsked = true
      arrived.broadcast()
    }
  }

  func waitUntilAsked(until deadline: Int64) {
    lock.withLock {
      while !isAsked, answer == nil, arrived.wait(lock, until: deadline) {}
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
