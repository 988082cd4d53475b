import CLinux
import Glibc

/// Why bytes cannot be moved any more.
enum StreamFailure: Error {
  case system(Int32)
  case tls(TLSFailure)
}

/// Called on the loop's driving thread.
protocol ByteStreamOwner: AnyObject {
  /// The TLS handshake that `secure` began is done.
  func streamSecured()
  /// `read` will give something.
  func streamReadable()
  /// `write` will take something again.
  func streamWritable()
  /// The TLS handshake failed.
  func streamFailed(_ failure: StreamFailure)
}

/// A connected socket on a loop, with TLS, with TLS inside TLS, or without. Moves bytes between the socket and its owner's buffers;
/// holds none. The loop keeps stream and owner alive until `close`.
final class ByteStream: DescriptorHandler {
  enum ReadOutcome {
    case bytes(Int)
    case wouldBlock
    case end
    case failed(StreamFailure)
  }

  enum WriteOutcome {
    case bytes(Int)
    /// The owner hears `streamWritable`.
    case wouldBlock
    case failed(StreamFailure)
  }

  private enum State {
    case securing(TLSSession)
    case open(TLSSession?)
    case closed
  }

  let loop: EventLoop
  private let descriptor: Int32
  private var owner: (any ByteStreamOwner)?
  private var state: State
  private var registration: Registration?
  private var interest: UInt32 = 0

  private var wantsInput = true
  private var writeIsBlocked = false
  // TLS may have to send before it can read on (a key update), or read before it can write.
  private var readNeedsOutput = false
  private var writeNeedsInput = false
  private var isClosedInForkedChild = false

  /// Takes over `descriptor`.
  init(_ descriptor: Int32, on loop: EventLoop, owner: (any ByteStreamOwner)?) {
    self.descriptor = descriptor
    self.loop = loop
    self.owner = owner
    state = .open(nil)
  }

  /// Begins to watch the socket; apart from `init` because it may fail.
  func start() throws(NetworkFailure) {
    interest = EPOLLIN.rawValue
    registration = try loop.add(descriptor, interest: interest, handler: self)
  }

  /// What TLS is laid over: the socket, or the TLS that the stream has already.
  var transport: TLSTransport {
    switch state {
    case .securing(let session), .open(let session?): .session(session)
    case .open(nil), .closed: .socket(descriptor)
    }
  }

  /// Lays `session`, made over `transport`, over the stream. The handshake begins with the next iteration;
  /// `streamSecured` or `streamFailed` tells its end. All that was written before must have gone out.
  func secure(_ session: TLSSession) {
    guard case .open = state else { return }
    state = .securing(session)
    loop.schedule(at: 0) { self.handshake() }
  }

  /// As in `TLSv1.3`; nil without TLS.
  var tlsVersion: String? {
    switch state {
    case .securing(let session): session.version
    case .open(let session): session?.version
    case .closed: nil
    }
  }

  /// The TLS session of an earlier connection was taken up again.
  var isTLSResumed: Bool {
    switch state {
    case .open(let session): session?.isResumed ?? false
    case .securing, .closed: false
    }
  }

  var isSecure: Bool {
    switch state {
    case .securing: true
    case .open(let session): session != nil
    case .closed: false
    }
  }

  /// Hands the stream to another owner.
  func transfer(to owner: any ByteStreamOwner) {
    if case .closed = state { return }
    self.owner = owner
  }

  // MARK: Events

  func ready(_ events: UInt32) {
    let hasFailed = events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
    let readable = hasFailed || events & EPOLLIN.rawValue != 0
    let writable = hasFailed || events & EPOLLOUT.rawValue != 0
    switch state {
    case .securing: handshake()
    case .open: transfer(readable: readable, writable: writable, hasFailed: hasFailed)
    case .closed: break
    }
  }

  private func transfer(readable: Bool, writable: Bool, hasFailed: Bool) {
    let mayWrite = writeIsBlocked && (writeNeedsInput ? readable : writable)
    let mayRead = wantsInput && (readNeedsOutput ? writable : readable)
    if hasFailed, !mayWrite, !mayRead {
      // Errors are reported whatever the interest: a paused reader would be called without end.
      return unwatch()
    }
    if mayWrite {
      writeIsBlocked = false
      writeNeedsInput = false
      updateInterest()
      owner?.streamWritable()
    }
    guard mayRead, case .open = state else { return }
    readNeedsOutput = false
    updateInterest()
    owner?.streamReadable()
  }

  private func handshake() {
    guard case .securing(let session) = state else { return }
    switch session.handshake() {
    case .done:
      state = .open(session)
      watch(EPOLLIN.rawValue)
      owner?.streamSecured()
      // What came with the last handshake message is in TLS's buffer: epoll will not report it.
      loop.schedule(at: 0) {
        guard case .open = self.state, self.wantsInput else { return }
        self.owner?.streamReadable()
      }
    case .needsInput: watch(EPOLLIN.rawValue)
    case .needsOutput: watch(EPOLLOUT.rawValue)
    case .failed(let failure): owner?.streamFailed(failure)
    }
  }

  // MARK: Moving bytes

  @inline(__always)
  func read(into bytes: UnsafeMutableRawBufferPointer) -> ReadOutcome {
    guard case .open(let session) = state else { return .end }
    if let session { return readTLS(session, bytes) }
    let count = Socket.receive(descriptor, bytes.baseAddress, bytes.count)
    if count > 0 { return .bytes(count) }
    if count == 0 { return .end }
    let code = errno
    return Socket.wouldBlock(code) ? .wouldBlock : .failed(.system(code))
  }

  private func readTLS(
    _ session: TLSSession, _ bytes: UnsafeMutableRawBufferPointer
  ) -> ReadOutcome {
    switch session.read(into: bytes) {
    case .bytes(let count): return .bytes(count)
    case .needsInput: return .wouldBlock
    case .needsOutput:
      readNeedsOutput = true
      updateInterest()
      return .wouldBlock
    case .end: return .end
    case .failed(let failure): return .failed(failure)
    }
  }

  /// True if bytes wait that epoll does not know of.
  var hasBufferedInput: Bool {
    switch state {
    case .open(let session): session?.hasBufferedInput ?? false
    case .securing, .closed: false
    }
  }

  @inline(__always)
  func write(_ bytes: UnsafeRawBufferPointer) -> WriteOutcome {
    guard case .open(let session) = state else { return .wouldBlock }
    // Order matters: while one write waits, a later one must not overtake it.
    guard !writeIsBlocked else { return .wouldBlock }
    if let session { return writeTLS(session, bytes) }
    let count = Socket.send(descriptor, bytes.baseAddress, bytes.count)
    if count >= 0 { return .bytes(count) }
    let code = errno
    guard Socket.wouldBlock(code) else { return .failed(.system(code)) }
    return blockWrite(onInput: false)
  }

  private func writeTLS(_ session: TLSSession, _ bytes: UnsafeRawBufferPointer) -> WriteOutcome {
    switch session.write(bytes) {
    case .bytes(let count): return .bytes(count)
    case .needsOutput: return blockWrite(onInput: false)
    case .needsInput: return blockWrite(onInput: true)
    case .end: return .failed(.system(EPIPE))
    case .failed(let failure): return .failed(failure)
    }
  }

  private func blockWrite(onInput: Bool) -> WriteOutcome {
    writeIsBlocked = true
    writeNeedsInput = onInput
    updateInterest()
    return .wouldBlock
  }

  /// Whether the owner wants to hear `streamReadable`.
  func setReading(_ wanted: Bool) {
    guard wanted != wantsInput else { return }
    wantsInput = wanted
    if case .open = state { updateInterest() }
  }

  // MARK: Interest

  private func updateInterest() {
    var wanted: UInt32 = 0
    if wantsInput && !readNeedsOutput || writeIsBlocked && writeNeedsInput {
      wanted |= EPOLLIN.rawValue
    }
    if wantsInput && readNeedsOutput || writeIsBlocked && !writeNeedsInput {
      wanted |= EPOLLOUT.rawValue
    }
    watch(wanted)
  }

  private func watch(_ wanted: UInt32) {
    if let registration {
      guard wanted != interest else { return }
      loop.modify(registration, interest: wanted)
    } else if wanted != 0 {
      registration = try? loop.add(descriptor, interest: wanted, handler: self)
    }
    interest = wanted
  }

  private func unwatch() {
    if let registration { loop.remove(registration) }
    registration = nil
    interest = 0
  }

  // MARK: Ending

  /// Ends our half in good order: close_notify with TLS, FIN in any case. Reading goes on.
  func finishWriting() {
    guard case .open(let session) = state else { return }
    session?.sendCloseNotify()
    shutdown(descriptor, Int32(SHUT_WR))
  }

  /// Lets TCP look whether a silent peer is still there, for protocols without pings of their own. A lost one
  /// fails the next read.
  func keepAlive(_ limits: LivenessLimits) {
    guard limits.pingInterval < .max else { return }
    // The kernel's limits (tcp(7)): 32,767 s, and 127 probes.
    let seconds = (limits.pingInterval / 1_000_000_000).clamped(to: 1...32_767)
    let missedMax = Int32(limits.missedPongsMax.clamped(to: 1...127))
    Socket.keepAlive(descriptor, seconds: Int32(seconds), missedMax: missedMax)
    // There are no probes while something is unacknowledged, and a request on a connection whose way was lost while it
    // waited always is. A peer that acknowledges and takes nothing is borne for as long as its owner likes.
    guard limits.writeStall < .max else { return }
    let patience = max(seconds * 1000 * (Int64(missedMax) + 1), limits.writeStall / 1_000_000)
    Socket.setUserTimeout(descriptor, milliseconds: Int32(clamping: patience))
  }

  /// Makes `close` a reset: what was sent and not yet taken is dropped.
  func resetsOnClose() {
    var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
  }

  /// Closes at once, with a close_notify if the socket takes it.
  func close() {
    switch state {
    case .closed: return
    case .securing: break
    case .open(let session): session?.sendCloseNotify()
    }
    state = .closed
    unwatch()
    Socket.close(descriptor)
    owner = nil
  }

  /// Closes a forked child's copy of the descriptor, and leaves everything else alone: the peer and the epoll
  /// set are the parent's, and the parent's I/O thread may have been anywhere in this object when the process
  /// forked.
  func closeInForkedChild() {
    guard !isClosedInForkedChild else { return }
    isClosedInForkedChild = true
    if case .closed = state { return }
    Glibc.close(descriptor)
  }
}

extension Comparable {
  fileprivate func clamped(to range: ClosedRange<Self>) -> Self {
    min(max(self, range.lowerBound), range.upperBound)
  }
}
