import RWSWebSocket

/// The end of a connection in good order: writes what is left, then reads and drops what the peer still sends
/// until it ends its half too or the deadline comes. Closing at once instead would answer those bytes with a
/// reset, and a reset can overtake our last words: a peer in the middle of a large message would not learn
/// that it was too large.
final class LingeringClose: ByteStreamOwner {
  private let stream: ByteStream
  private var output: ByteBuffer
  private let options: Options
  private var deadline: Int64
  private var timer: TimerID?
  private var sent: ((Int) -> Void)?
  private var completion: (() -> Void)?

  private static let discardBytes = 16 << 10
  private static let discardsPerEvent = 16

  struct Options {
    /// End our half when all is written (a server does, RFC 6455 §7.1.1; a client waits for the server to do
    /// so).
    var endsOwnHalf: Bool
    var patienceNanoseconds: Int64
    /// Patience begins again with each write that goes through: for output that the peer asked for and may
    /// take slowly.
    var waitsForSlowReader = false
  }

  /// Takes the stream over. `sent` hears of each write; `completion` comes once, from the loop, after the
  /// stream is closed.
  init(
    _ stream: ByteStream, output: consuming ByteBuffer, _ options: Options,
    sent: @escaping (Int) -> Void, completion: @escaping () -> Void
  ) {
    self.stream = stream
    self.output = output
    self.options = options
    deadline = stream.loop.refreshNow() &+ options.patienceNanoseconds
    self.sent = sent
    self.completion = completion
    stream.transfer(to: self)
    timer = stream.loop.schedule(at: deadline) { self.checkDeadline() }
    stream.setReading(true)
    stream.loop.schedule(at: 0) { self.flush() }
  }

  /// Closes at once; nothing is called any more.
  func cancel() {
    sent = nil
    completion = nil
    finish()
  }

  func closeInForkedChild() {
    stream.closeInForkedChild()
  }

  func streamSecured() {}

  func streamWritable() {
    flush()
  }

  private func checkDeadline() {
    timer = nil
    guard deadline > stream.loop.now else { return finish() }
    timer = stream.loop.schedule(at: deadline) { self.checkDeadline() }
  }

  private func flush() {
    guard completion != nil else { return }
    while !output.isEmpty {
      switch stream.write(output.bytes) {
      case .bytes(let count):
        output.consume(count)
        if options.waitsForSlowReader {
          deadline = stream.loop.now &+ options.patienceNanoseconds
        }
        sent?(count)
      case .wouldBlock: return
      case .failed: return finish()
      }
    }
    if options.endsOwnHalf { stream.finishWriting() }
    streamReadable()
  }

  func streamReadable() {
    withUnsafeTemporaryAllocation(byteCount: Self.discardBytes, alignment: 16) { bytes in
      for _ in 0..<Self.discardsPerEvent {
        switch stream.read(into: bytes) {
        case .bytes: continue
        case .wouldBlock: return
        case .end, .failed: return finish()
        }
      }
      if stream.hasBufferedInput {
        stream.loop.schedule(at: 0) { self.streamReadable() }
      }
    }
  }

  func streamFailed(_ failure: StreamFailure) {
    finish()
  }

  private func finish() {
    if let timer { stream.loop.cancel(timer) }
    timer = nil
    stream.close()
    sent = nil
    let completion = self.completion
    self.completion = nil
    completion?()
  }
}
