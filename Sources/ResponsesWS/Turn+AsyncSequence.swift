import RWSClient

/// `for try await event in turn`: no thread waits. One reader at a time.
extension Turn: AsyncSequence {
  public typealias Element = Event

  public struct AsyncIterator: AsyncIteratorProtocol {
    let turn: Turn

    public func next() async throws -> Event? {
      // A reader that never has to wait must not outrun its cancellation.
      if Task.isCancelled { turn.cancel() }
      while true {
        switch try turn.next(within: .zero) {
        case .event(let event): return event
        case .ended: return nil
        case .nothingYet: try await turn.readable()
        }
      }
    }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(turn: self) }

  /// Returns when there is something to read. A cancelled task cancels the turn, which then ends.
  private func readable() async throws {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        whenReadable { continuation.resume() }
      }
    } onCancel: {
      // Never waits: the handler runs under the task's lock, which the I/O thread needs to resume the task.
      requestCancel()
    }
  }
}
