import RWSNetwork
import RWSWebSocket

/// Carries one WebSocket: feeds its frames and the clock to the core, and does what comes out.
final class WebSocketHandler {
  private enum State {
    case open
    /// What is to be sent waits. It may be for ever.
    case stalled([ServerConnection.Output])
    /// Nothing is read or sent any more, and the connection stays.
    case halfOpen
    case closing
  }

  private var state = State.open
  private var connection: ServerConnection
  private let log: ServerLog?
  private let onEnd: () -> Void
  private let onRestart: () -> Void
  private var timer: TimerID?
  /// Set when the server goes: the connection is closed so when nothing runs on it any more.
  private var farewell: (code: UInt16, reason: String)?
  /// A client that does not read is not read from either: its unsent events stay bounded by what it has asked
  /// for.
  private var isPaused = false

  private static let pauseBytes = 8 << 20
  private static let resumeBytes = 1 << 20
  private static let closeNanoseconds: Int64 = 500_000_000

  init(
    _ connection: ServerConnection, log: ServerLog?, onRestart: @escaping () -> Void,
    onEnd: @escaping () -> Void
  ) {
    self.connection = connection
    self.log = log
    self.onRestart = onRestart
    self.onEnd = onEnd
  }

  func opened(_ channel: WebSocketChannel) { arm(channel) }

  func close(_ channel: WebSocketChannel, code: UInt16, reason: String) {
    if case .halfOpen = state {
      channel.abort()
      cancelTimer(on: channel.loop)
      state = .closing
      return onEnd()
    }
    state = .closing
    cancelTimer(on: channel.loop)
    channel.close(code: code, reason: reason, timeoutNanoseconds: Self.closeNanoseconds)
  }

  /// Closes as soon as nothing runs.
  func drain(_ channel: WebSocketChannel, code: UInt16, reason: String) {
    farewell = (code, reason)
    closeIfQuiet(channel)
  }

  private func closeIfQuiet(_ channel: WebSocketChannel) {
    guard let farewell, connection.isQuiet, case .open = state else { return }
    close(channel, code: farewell.code, reason: farewell.reason)
  }

  // MARK: Carrying out

  private func carryOut(_ output: [ServerConnection.Output], on channel: WebSocketChannel) {
    if case .stalled(let waiting) = state {
      state = .stalled(waiting + output)
      return arm(channel)
    }
    // In one write: events that are due together reach the client together.
    channel.batch {
      for (index, item) in output.enumerated() {
        guard case .open = state else { return hold(output[index...]) }
        carryOut(item, on: channel)
      }
    }
    guard case .open = state else { return arm(channel) }
    if channel.queuedBytes > Self.pauseBytes, !isPaused {
      isPaused = true
      channel.pauseReading()
    }
    arm(channel)
    closeIfQuiet(channel)
  }

  private func hold(_ rest: ArraySlice<ServerConnection.Output>) {
    if case .stalled(let waiting) = state { state = .stalled(waiting + rest) }
  }

  private func carryOut(_ item: ServerConnection.Output, on channel: WebSocketChannel) {
    switch item {
    case .text(let text):
      // The queue is full, or the connection is ending: then this changes nothing. Never drop an event and go
      // on.
      if !channel.send(text: text, tag: 0) {
        close(channel, code: 1011, reason: "too many bytes of events are unread")
      }
    case .log(let record): log?.write(record)
    case .cost(let record): log?.write(record.line(ended: MonotonicClock.now()))
    case .close(let code, let reason): close(channel, code: code, reason: reason)
    case .fault(let action): show(action, on: channel)
    }
  }

  private func show(_ action: FaultAction, on channel: WebSocketChannel) {
    switch action {
    case .raw(let bytes): channel.send(raw: bytes)
    case .cut(let part, let count, let isReset):
      if count > 0 { channel.send(raw: Self.frameHeader(count) + part) }
      state = .closing
      // From the loop: what was sent in this batch has gone out by then.
      channel.loop.schedule(at: 0) { [self] in
        cancelTimer(on: channel.loop)
        if isReset { channel.reset() } else { channel.abort() }
        onEnd()
      }
    case .stall(let nanoseconds):
      state = .stalled([])
      guard let nanoseconds else { return }
      channel.loop.schedule(at: MonotonicClock.deadline(after: nanoseconds)) { [weak self] in
        self?.endStall(channel)
      }
    case .halfOpen:
      state = .halfOpen
      channel.pauseReading()
    case .restart:
      channel.loop.schedule(at: 0) { [onRestart] in onRestart() }
    }
  }

  private func endStall(_ channel: WebSocketChannel) {
    guard case .stalled(let waiting) = state else { return }
    state = .open
    carryOut(waiting, on: channel)
  }

  /// Of an unmasked text frame (RFC 6455 §5.2).
  private static func frameHeader(_ count: Int) -> [UInt8] {
    func bigEndian(_ bytes: Int) -> [UInt8] {
      (0..<bytes).reversed().map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
    }
    if count < 126 { return [0x81, UInt8(count)] }
    return count <= 0xFFFF ? [0x81, 126] + bigEndian(2) : [0x81, 127] + bigEndian(8)
  }

  // MARK: Time

  private func arm(_ channel: WebSocketChannel) {
    cancelTimer(on: channel.loop)
    switch state {
    case .open, .stalled: break
    case .halfOpen, .closing: return
    }
    guard let deadline = connection.nextDeadline else { return }
    timer = channel.loop.schedule(at: deadline) { [weak self] in
      guard let self else { return }
      timer = nil
      carryOut(connection.tick(channel.loop.now), on: channel)
    }
  }

  private func cancelTimer(on loop: EventLoop) {
    if let timer { loop.cancel(timer) }
    timer = nil
  }
}

extension WebSocketHandler: WebSocketChannelDelegate {
  func channelOpened(_ channel: WebSocketChannel, _ info: HandshakeInfo) {}

  func channel(_ channel: WebSocketChannel, receivedText text: UnsafeRawBufferPointer) {
    switch state {
    case .open, .stalled: carryOut(connection.receive(text, now: channel.loop.now), on: channel)
    case .halfOpen, .closing: break
    }
  }

  func channel(_ channel: WebSocketChannel, receivedBinary bytes: UnsafeRawBufferPointer) {
    switch state {
    case .open, .stalled: close(channel, code: 1003, reason: "text frames only")
    case .halfOpen, .closing: break
    }
  }

  func channelFinishedRead(_ channel: WebSocketChannel) {}

  func channel(_ channel: WebSocketChannel, flushed tag: UInt64) {
    guard isPaused, channel.queuedBytes < Self.resumeBytes else { return }
    isPaused = false
    channel.resumeReading()
  }

  func channelClosed(_ channel: WebSocketChannel, _ failure: NetworkFailure) {
    state = .closing
    cancelTimer(on: channel.loop)
    onEnd()
  }
}
