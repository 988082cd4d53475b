import RWSClient
import RWSProtocol

/// The same without threads that wait. A cancelled task gets a `CancellationError`; the connection stays as
/// it is.
extension WebSocket {
  /// Returns when the connection is open. The client's connect timeout bounds the wait.
  public func connect() async throws {
    try await wait(.outcome)
    try checkOutcome()
  }

  /// The next message; nil at a good end.
  public func receive() async throws -> Message? {
    // A reader that never has to wait must not outrun its cancellation.
    try Task.checkCancellation()
    while true {
      switch try receive(within: .zero) {
      case .message(let message): return message
      case .ended: return nil
      case .nothingYet: try await wait(.message)
      }
    }
  }

  /// Returns when everything sent so far is with the kernel.
  public func flush() async throws {
    try await wait(.flushed)
    if let error = core.unflushedError { throw error }
  }

  /// As the synchronous `close`, whose time limit holds here, too.
  @discardableResult
  public func close(
    code: UInt16 = 1000, reason: String = "", timeout: Duration = .seconds(5)
  ) async throws -> Bool {
    try beginClosing(code: code, reason: reason, timeout: timeout)
    if timeout != .zero { try await wait(.end) }
    return isAnswered
  }

  private func wait(_ awaited: WebSocketCore.Awaited) async throws {
    try checkProcess()
    let waiter = WebSocketWaiter()
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        waiter.setAction { continuation.resume() }
        core.when(awaited, waiter)
      }
    } onCancel: {
      core.cancel(waiter)
    }
    try Task.checkCancellation()
  }
}

/// `for try await message in socket`: no thread waits. One reader at a time.
extension WebSocket: AsyncSequence {
  public typealias Element = Message

  public struct AsyncIterator: AsyncIteratorProtocol {
    let socket: WebSocket

    public func next() async throws -> Message? { try await socket.receive() }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(socket: self) }
}
