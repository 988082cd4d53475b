import Glibc
import RWSWebSocket

/// What became of the opening handshake.
package struct HandshakeInfo: Sendable {
  /// 101.
  package var status: Int
  package var fields: HTTPFields
  package var stream: StreamInfo
  /// What was agreed on for permessage-deflate; nil without compression.
  package var deflate: DeflateParameters?
}

package struct ChannelLimits: Sendable {
  /// A longer received message fails the connection with 1009.
  package var receivedMessageBytes = 64 << 20
  /// `send` refuses what would make more than this wait for the kernel.
  package var queuedBytes = 256 << 20
  /// Shorter messages are not compressed.
  package var compressedBytesMin = WebSocketEndpoint.Limits.worthCompressing
  /// After so long without a byte received, in nanoseconds, the compressor is given back too: longer than most
  /// tools run, for between the turns of a run it would be made again and again.
  package var compressorRest: Int64 = 2_000_000_000

  package init() {}
}

/// The owner of a channel. Every call comes on the loop's driving thread. Any method of the channel may be
/// called from inside a callback, `abort` included.
package protocol WebSocketChannelDelegate: AnyObject {
  func channelOpened(_ channel: WebSocketChannel, _ info: HandshakeInfo)
  /// A whole text message (valid UTF-8), borrowed until the callback returns.
  func channel(_ channel: WebSocketChannel, receivedText text: UnsafeRawBufferPointer)
  func channel(_ channel: WebSocketChannel, receivedBinary bytes: UnsafeRawBufferPointer)
  /// The payload of a pong, borrowed likewise. Most owners ask for no more than `lastReceived`.
  func channel(_ channel: WebSocketChannel, receivedPong payload: UnsafeRawBufferPointer)
  /// All messages of one read burst have been handed over: the moment to publish a batch. Also called before
  /// `channelClosed` if messages came since the last time.
  func channelFinishedRead(_ channel: WebSocketChannel)
  /// The message sent with `tag`, and all before it, were handed wholly to the kernel.
  func channel(_ channel: WebSocketChannel, flushed tag: UInt64)
  /// The end, exactly once unless `abort` came before; also when connecting fails. The socket is closed by
  /// then.
  func channelClosed(_ channel: WebSocketChannel, _ failure: NetworkFailure)
}

extension WebSocketChannelDelegate {
  package func channel(_ channel: WebSocketChannel, receivedPong payload: UnsafeRawBufferPointer) {}
}

/// One WebSocket connection over TCP or TLS, client or server side, confined to its loop.
///
///   connecting ──upgraded──▶ open ──close()──▶ closing ──┐
///        │                    └──either side ends it─────┴──▶ ending ──flushed, peer gone or late──▶ closed
///        └──refused, failed, timed out───────────────────────────────────────────────────────────────▶ closed
///
/// An open channel whose `LivenessClock` gives it up goes to *closed* without parting: nobody would answer.
///
/// The loop keeps a channel and its delegate alive until the channel is closed or aborted, one of which must
/// happen before the loop is given up. (No weak references: their side tables look leaked to LeakSanitizer in
/// a host that exits with live clients, and each load costs more than a small frame.)
package final class WebSocketChannel {
  private enum State {
    case connecting(ClientConnection)
    case open(ByteStream)
    /// Our Close frame is queued or sent; the peer's is awaited until the timer.
    case closing(ByteStream, TimerID)
    /// What remains is to part in good order.
    case ending(LingeringClose)
    /// The socket is closed; the owner hears of it from the loop.
    case dropped
    case closed
  }

  package var delegate: (any WebSocketChannelDelegate)?
  package let loop: EventLoop

  private let role: Role
  /// Host and port, for messages.
  private let peer: String
  private var state: State
  private var endpoint: WebSocketEndpoint

  private var isPaused = false
  private var isFlushing = false
  private var hasScheduledRead = false
  private var hasUnpublishedMessages = false
  /// The kernel takes no more; what the peer said before is still read.
  private var writeFailure: StreamFailure?
  private var bytesSent: UInt64 = 0
  private var unflushed = FlushQueue()

  private var liveness: LivenessClock
  /// Armed anew when it fires, not at every event: what was heard meanwhile only makes it late.
  private var livenessTimer: (id: TimerID, due: Int64)?
  /// Runs while the channel holds a compressor.
  private var restTimer: TimerID?
  private let compressorRest: Int64

  /// When bytes last came in (loop time).
  package var lastReceived: Int64 { liveness.lastReceived }

  /// Whether the owner awaits something, so that the connection is not idle however long it is silent.
  package var isInUse: Bool {
    get { liveness.isInUse }
    set {
      guard newValue != liveness.isInUse else { return }
      liveness.isInUse = newValue
      armLiveness()
    }
  }

  private static let readChunk = 64 << 10
  /// After so many bytes other descriptors get their turn.
  private static let burstBytes = 1 << 20
  /// An idle channel gives back buffers beyond this.
  private static let idleBytes = 2 << 10

  /// How long an end in good order may take; RFC 6455 §7.1.1 leaves it open.
  private static func parting(_ role: Role) -> LingeringClose.Options {
    switch role {
    case .client: .init(endsOwnHalf: false, patienceNanoseconds: 500_000_000)
    case .server: .init(endsOwnHalf: true, patienceNanoseconds: 2_000_000_000)
    }
  }

  /// Begins to connect: DNS → TCP → TLS → upgrade. The outcome comes later, as `channelOpened` or
  /// `channelClosed`, never inside this call. Call it on the driving thread.
  package init(
    connecting options: ConnectOptions, on loop: EventLoop, delegate: any WebSocketChannelDelegate
  ) {
    self.loop = loop
    self.delegate = delegate
    role = .client
    liveness = LivenessClock(options.liveness, at: loop.clocks)
    endpoint = Self.makeEndpoint(.client, options.limits)
    compressorRest = options.limits.compressorRest
    let connection = ClientConnection(options, on: loop)
    peer = connection.peer
    state = .connecting(connection)
    // The connection keeps the channel alive until it has an outcome.
    connection.start { self.connected($0) }
  }

  /// The server's side, after the upgrade's answer was written to `output`.
  init(
    upgraded stream: ByteStream, from peerAddress: String, output: UnsafeRawBufferPointer,
    input: UnsafeRawBufferPointer, deflate: DeflateParameters?, limits: ChannelLimits, delegate: any WebSocketChannelDelegate
  ) {
    loop = stream.loop
    self.delegate = delegate
    role = .server
    peer = peerAddress
    liveness = LivenessClock(.none, at: loop.clocks)
    endpoint = Self.makeEndpoint(.server, limits)
    compressorRest = limits.compressorRest
    if let deflate { endpoint.useDeflate(deflate) }
    state = .open(stream)
    // Both are far below the endpoint's limits: an answer's head, and what came with a request's.
    try? endpoint.output.append(output)
    try? endpoint.input.append(input)
    stream.transfer(to: self)
    stream.setReading(true)
    loop.schedule(at: 0) {
      self.flush()
      self.scheduleRead()
    }
  }

  private static func makeEndpoint(_ role: Role, _ limits: ChannelLimits) -> WebSocketEndpoint {
    WebSocketEndpoint(
      role: role,
      limits: .init(
        messageBytesMax: limits.receivedMessageBytes, outputBytesMax: limits.queuedBytes,
        compressedBytesMin: limits.compressedBytesMin),
      masks: MaskSource { OpenSSLLibrary.random($0) })
  }

  // MARK: Opening

  private func connected(_ outcome: consuming ClientConnection.Outcome) {
    switch outcome {
    case .failed(let failure): finish(failure)
    case .upgraded(let stream, let info, var input):
      state = .open(stream)
      liveness.resume(at: loop.now)
      armLiveness()
      if let deflate = info.deflate { endpoint.useDeflate(deflate) }
      try? endpoint.input.append(input.bytes)
      input.shrink()
      stream.transfer(to: self)
      delegate?.channelOpened(self, info)
      guard isReading else { return }
      stream.setReading(!isPaused)
      scheduleRead()
    }
  }

  // MARK: Sending

  /// Queues a text message (the bytes must be valid UTF-8) and writes what the kernel takes. Bytes are copied
  /// before return. `flushed(tag)` follows, possibly inside this call. Returns false, and does nothing, if
  /// the channel is not open (before `channelOpened`, after `close`, `abort` or the peer's end), if the text
  /// is not UTF-8, or if the queue would grow past its limit.
  @discardableResult
  package func send(text: UnsafeRawBufferPointer, tag: UInt64) -> Bool {
    send(tag) { endpoint throws(SendError) in try endpoint.sendText(text) }
  }

  @discardableResult
  package func send(text: [UInt8], tag: UInt64) -> Bool {
    text.withUnsafeBytes { send(text: $0, tag: tag) }
  }

  @discardableResult
  package func send(binary: UnsafeRawBufferPointer, tag: UInt64) -> Bool {
    send(tag) { endpoint throws(SendError) in try endpoint.sendBinary(binary) }
  }

  /// Sends a ping; any inbound byte shows life (`lastReceived`). At most 125 bytes, else false.
  @discardableResult
  package func ping(_ payload: [UInt8] = []) -> Bool {
    payload.withUnsafeBytes { bytes in
      send(nil) { endpoint throws(SendError) in try endpoint.sendPing(bytes) }
    }
  }

  @inline(__always)
  private func send(
    _ tag: UInt64?, _ write: (inout WebSocketEndpoint) throws(SendError) -> Void
  ) -> Bool {
    guard isOpen, !loop.isForkedChild else { return false }
    if tag != nil {
      // A message must not go where nobody may listen any more: after a sleep the timer comes too late.
      if liveness.looksForStandstill, let standstill = liveness.standstill(loop.clocks) {
        drop(.suspended(peer, standstill))
        return false
      }
      liveness.used(at: loop.now)
    }
    do throws(SendError) {
      try write(&endpoint)
    } catch {
      return false
    }
    if let tag { unflushed.append(tag, end: bytesSent &+ UInt64(endpoint.output.count)) }
    flush()
    return true
  }

  /// What `body` sends leaves in one write, if the kernel takes so much.
  package func batch(_ body: () -> Void) {
    guard !isFlushing else { return body() }
    isFlushing = true
    body()
    isFlushing = false
    flush()
  }

  /// Sends bytes that need be no frame: for a server that shows its clients what can go wrong.
  @discardableResult
  package func send(raw bytes: [UInt8]) -> Bool {
    guard isOpen, !loop.isForkedChild else { return false }
    do throws(BufferFull) {
      try endpoint.output.append(bytes)
    } catch {
      return false
    }
    flush()
    return true
  }

  /// Drops the connection as `abort` does, with a reset.
  package func reset() {
    guard !loop.isForkedChild else { return abort() }
    openStream?.resetsOnClose()
    abort()
  }

  /// Bytes queued and not yet taken by the kernel.
  package var queuedBytes: Int { endpoint.output.count }

  /// Writes until the queue is empty or the kernel takes no more. Callbacks inside may send again: their
  /// bytes join the queue of the flush that is under way.
  private func flush() {
    guard !isFlushing, writeFailure == nil else { return }
    isFlushing = true
    defer { isFlushing = false }
    repeat {
      guard let stream = openStream, write(to: stream) else { return }
      reportFlushed()
    } while !endpoint.output.isEmpty
    if endpoint.output.allocatedBytes > Self.readChunk { endpoint.output.shrink() }
  }

  /// False if something is left.
  private func write(to stream: ByteStream) -> Bool {
    while !endpoint.output.isEmpty {
      switch stream.write(endpoint.output.bytes) {
      case .bytes(let count):
        endpoint.sent(count)
        bytesSent &+= UInt64(count)
        liveness.wrote(at: loop.now)
      case .wouldBlock:
        liveness.blocked(at: loop.now)
        armLiveness()
        reportFlushed()
        return false
      case .failed(let failure):
        // The peer's Close frame may lie in the receive buffer, with the reason for what happened. Read
        // first; and never end the channel inside the caller's `send`.
        writeFailure = failure
        stream.setReading(true)
        scheduleRead()
        return false
      }
    }
    return true
  }

  private func reportFlushed() {
    while let tag = unflushed.next(sent: bytesSent) {
      delegate?.channel(self, flushed: tag)
    }
  }

  // MARK: Receiving

  /// Back-pressure: while paused nothing is read from the socket and no message is delivered.
  /// A message callback may pause; the messages already read follow after `resumeReading`, from the loop.
  package func pauseReading() {
    isPaused = true
    liveness.pause()
    openStream?.setReading(false)
  }

  package func resumeReading() {
    guard isPaused else { return }
    isPaused = false
    liveness.resume(at: loop.now)
    armLiveness()
    openStream?.setReading(true)
    scheduleRead()
  }

  /// For bytes that epoll will not report: those in our buffer and those in TLS's.
  private func scheduleRead() {
    guard !hasScheduledRead, openStream != nil else { return }
    hasScheduledRead = true
    loop.schedule(at: 0) {
      self.hasScheduledRead = false
      self.readBurst()
    }
  }

  private var isReading: Bool { openStream != nil && !isPaused }

  private func readBurst() {
    guard isReading else { return }
    deliver()
    var budget = Self.burstBytes
    while isReading, let stream = openStream {
      guard budget > 0 else {
        scheduleRead()
        break
      }
      guard let count = readOnce(stream) else { break }
      budget -= count
      deliver()
      if count < Self.readChunk, !stream.isSecure {
        // A short read emptied the kernel's buffer; epoll reports what comes next.
        break
      }
    }
    finishBurst()
  }

  /// The number of bytes read; nil when there are none (an end is dealt with here).
  private func readOnce(_ stream: ByteStream) -> Int? {
    let room: UnsafeMutableRawBufferPointer
    do throws(BufferFull) {
      room = try endpoint.prepareRead(chunk: Self.readChunk)
    } catch {
      end(.tooLarge(peer))
      return nil
    }
    switch stream.read(into: room) {
    case .bytes(let count):
      endpoint.input.commit(count)
      liveness.received(at: loop.now)
      return count
    case .wouldBlock:
      if let writeFailure { end(.lost(peer, writeFailure)) }
      return nil
    case .end:
      endpoint.receiveEOF()
      end(endedFailure)
      return nil
    case .failed(let failure):
      endpoint.receiveEOF()
      end(isClosing ? .closedLocally : .lost(peer, failure))
      return nil
    }
  }

  /// Hands over the messages that are whole.
  private func deliver() {
    let delegate = self.delegate
    while isReading {
      switch endpoint.next() {
      case .needMore: return
      case .text(let message):
        hasUnpublishedMessages = true
        delegate?.channel(self, receivedText: message)
      case .binary(let message):
        hasUnpublishedMessages = true
        delegate?.channel(self, receivedBinary: message)
      case .pong(let payload): delegate?.channel(self, receivedPong: payload)
      case .closed: return end(endedFailure)
      }
    }
  }

  private func finishBurst() {
    if hasUnpublishedMessages {
      hasUnpublishedMessages = false
      liveness.used(at: loop.now)
      delegate?.channelFinishedRead(self)
    }
    // Pongs, if no callback has sent anything since.
    flush()
    guard isIdle else { return }
    if endpoint.bufferBytes > Self.idleBytes { endpoint.shrinkBuffers() }
    if endpoint.holdsCompressor, restTimer == nil { scheduleRest() }
  }

  private func scheduleRest() {
    restTimer = loop.schedule(at: loop.now &+ compressorRest) {
      self.restTimer = nil
      guard self.isIdle else { return }
      if self.loop.now &- self.liveness.lastReceived >= self.compressorRest {
        self.endpoint.shrink()
      } else {
        self.scheduleRest()
      }
    }
  }

  // MARK: Liveness

  private func armLiveness() {
    guard isOpen else { return }
    let due = liveness.due
    if let timer = livenessTimer {
      guard timer.due > due else { return }
      loop.cancel(timer.id)
      livenessTimer = nil
    }
    guard due < .max else { return }
    livenessTimer = (loop.schedule(at: due) { self.checkLiveness() }, due)
  }

  private func stopTimers() {
    if let timer = livenessTimer { loop.cancel(timer.id) }
    livenessTimer = nil
    if let timer = restTimer { loop.cancel(timer) }
    restTimer = nil
  }

  private func checkLiveness() {
    livenessTimer = nil
    let clocks = loop.clocks
    var verdict = liveness.check(clocks)
    if case .dead = verdict {
      // A loop that was held up may have bytes in the kernel's buffer that it has not looked at.
      readBurst()
      verdict = liveness.check(clocks)
    }
    guard isOpen else { return }
    switch verdict {
    case .alive: break
    case .ping: ping()
    case .dead(let silence, let pings):
      return finish(.dead(peer, silence: silence, unansweredPings: pings))
    case .stalled(let nanoseconds):
      return finish(.stalled(peer, nanoseconds, queuedBytes: queuedBytes))
    case .suspended(let nanoseconds): return finish(.suspended(peer, nanoseconds))
    case .idle: return close(timeoutNanoseconds: Self.idleCloseTimeout)
    }
    armLiveness()
  }

  private static let idleCloseTimeout: Int64 = 5_000_000_000

  /// Ends the connection at once, without a closing handshake, from inside the owner's call.
  private func drop(_ failure: NetworkFailure) {
    openStream?.close()
    stopTimers()
    state = .dropped
    loop.schedule(at: 0) { self.finish(failure) }
  }

  // MARK: Ending

  /// Begins the closing handshake. `channelClosed` follows: with `closedLocally` when the peer has answered,
  /// with `closingTimedOut` when `timeoutNanoseconds` have passed. While connecting: gives up at once, and
  /// reports it from the loop. A second call only sets another time limit.
  package func close(code: UInt16 = 1000, reason: String = "", timeoutNanoseconds: Int64) {
    guard !loop.isForkedChild else { return }
    switch state {
    case .connecting(let connection):
      connection.cancel()
      loop.schedule(at: 0) { self.finish(.closedLocally) }
    case .open(let stream):
      state = .closing(stream, scheduleEndOfClosing(timeoutNanoseconds))
      stopTimers()
      do throws(SendError) {
        try endpoint.close(CloseCode(rawValue: code), reason: reason)
      } catch {
        // A code that may not be sent, or a reason too long: part with neither.
        try? endpoint.close(.normal)
      }
      // The peer's answer must be seen.
      if isPaused { resumeReading() }
      flush()
    case .closing(let stream, let timer):
      loop.cancel(timer)
      state = .closing(stream, scheduleEndOfClosing(timeoutNanoseconds))
    case .ending, .dropped, .closed: break
    }
  }

  private func scheduleEndOfClosing(_ nanoseconds: Int64) -> TimerID {
    loop.schedule(at: MonotonicClock.deadline(after: nanoseconds)) {
      self.finish(.closingTimedOut(self.peer))
    }
  }

  /// Drops the connection now. No delegate call follows. In a forked child only the descriptor's copy is
  /// closed, and the object stays as it was; its owner must not free it there, for the parent may have been
  /// in the middle of it.
  package func abort() {
    guard !loop.isForkedChild else { return closeInForkedChild() }
    delegate = nil
    stopTimers()
    switch state {
    case .connecting(let connection): connection.cancel()
    case .open(let stream): stream.close()
    case .closing(let stream, let timer):
      loop.cancel(timer)
      stream.close()
    case .ending(let lingering): lingering.cancel()
    case .dropped, .closed: break
    }
    state = .closed
  }

  private func closeInForkedChild() {
    switch state {
    case .connecting(let connection): connection.closeInForkedChild()
    case .open(let stream), .closing(let stream, _): stream.closeInForkedChild()
    case .ending(let lingering): lingering.closeInForkedChild()
    case .dropped, .closed: break
    }
  }

  /// What the endpoint's ending means for the owner.
  private var endedFailure: NetworkFailure {
    switch endpoint.state {
    case .open, .closing: .lost(peer, nil)
    case .closed(let ending): .ended(ending, peer)
    }
  }

  /// No more messages will come: parts from the peer in good order, then reports.
  private func end(_ failure: NetworkFailure) {
    guard let stream = openStream else { return }
    if case .closing(_, let timer) = state { loop.cancel(timer) }
    stopTimers()
    var rest = ByteBuffer(bytesMax: 0)
    swap(&rest, &endpoint.output)
    // Set first: the burst under way must find the channel no longer reading.
    state = .ending(
      LingeringClose(
        stream, output: rest, Self.parting(role),
        sent: { count in
          self.bytesSent &+= UInt64(count)
          self.reportFlushed()
        },
        completion: { self.finish(failure) }))
  }

  /// The end: closes what is open and tells the delegate, once.
  private func finish(_ failure: NetworkFailure) {
    stopTimers()
    switch state {
    case .closed: return
    case .connecting(let connection): connection.cancel()
    case .open(let stream): stream.close()
    case .closing(let stream, let timer):
      loop.cancel(timer)
      stream.close()
    case .ending, .dropped: break
    }
    state = .closed
    let delegate = self.delegate
    if hasUnpublishedMessages {
      hasUnpublishedMessages = false
      delegate?.channelFinishedRead(self)
    }
    // The callback before may have aborted.
    guard self.delegate != nil else { return }
    self.delegate = nil
    delegate?.channelClosed(self, failure)
  }

  // MARK: State

  private var openStream: ByteStream? {
    switch state {
    case .open(let stream), .closing(let stream, _): stream
    case .connecting, .ending, .dropped, .closed: nil
    }
  }

  /// The closing handshake has begun: nothing is sent any more.
  package var isClosing: Bool {
    switch state {
    case .closing: true
    case .connecting, .open, .ending, .dropped, .closed: false
    }
  }

  /// Messages may be sent.
  package var isOpen: Bool {
    switch state {
    case .open: writeFailure == nil
    case .connecting, .closing, .ending, .dropped, .closed: false
    }
  }

  /// Open, nothing queued for writing, nothing half received.
  package var isIdle: Bool {
    isOpen && endpoint.output.isEmpty && endpoint.input.isEmpty
  }

  var holdsCompressor: Bool { endpoint.holdsCompressor }
}

extension WebSocketChannel: ByteStreamOwner {
  func streamSecured() {}

  func streamReadable() {
    readBurst()
  }

  func streamWritable() {
    flush()
  }

  func streamFailed(_ failure: StreamFailure) {
    end(.lost(peer, failure))
  }
}
