import RWSNetwork

extension ClientCore {
  /// Answers come as soon as the loop gets to them; a callback that blocks must not block others for ever.
  static let loopPatience = Duration.seconds(10)

  /// Runs `question` on the loop and waits for its answer; nil when `timeout` passed. What the loop can
  /// answer by itself, it answers whatever the timeout. An answer that comes after that is told to `late`.
  func ask<Answer: Sendable>(
    timeout: Duration?, late: @escaping @Sendable (Answer) -> Void = { _ in },
    _ question: @escaping @Sendable (@escaping @Sendable (Answer) -> Void) -> Void
  ) throws(ResponsesError) -> Answer? {
    let slot = AnswerSlot<Answer>()
    let put = { @Sendable (answer: Answer) in if !slot.put(answer) { late(answer) } }
    if thread.isCurrent {
      question(put)
      return slot.take(until: 0)
    }
    let isPosted = loop.post {
      question(put)
      slot.noteAsked()
    }
    guard isPosted else { throw ResponsesError(.closed, "The client is closed.") }
    let deadline = timeout.map { MonotonicClock.deadline(after: $0.nanoseconds) }
    // A `fork` would wait for this thread, the loop for the `fork`, and this thread for the loop.
    return ForkGate.outside {
      slot.waitUntilAsked(until: MonotonicClock.deadline(after: Self.loopPatience.nanoseconds))
      return slot.take(until: deadline)
    }
  }
}

/// One value handed from the loop to a waiting thread.
private final class AnswerSlot<Answer: Sendable>: @unchecked Sendable {
  private let lock = Lock()
  private let arrived = Condition()
  private var answer: Answer?
  private var isAsked = false
  private var isAbandoned = false

  /// False: nobody waits for it any more.
  func put(_ answer: Answer) -> Bool {
    lock.withLock {
      self.answer = answer
      arrived.broadcast()
      return !isAbandoned
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
      while answer == nil, deadline != 0, arrived.wait(lock, until: deadline) {}
      isAbandoned = answer == nil
      return answer
    }
  }
}
