import RWSWebSocket

/// The owner of an exchange. Every call comes on the loop's driving thread. Any method of the exchange may be
/// called from inside a callback, `abort` included.
package protocol ClientExchangeDelegate: AnyObject {
  /// The way to the server is open.
  func exchangeOpened(_ exchange: ClientExchange, _ info: StreamInfo)
  /// The kernel has the whole request.
  func exchangeSent(_ exchange: ClientExchange)
  func exchange(_ exchange: ClientExchange, receivedHead head: HTTPResponseHead)
  /// A part of the body as it came, borrowed until the callback returns.
  func exchange(_ exchange: ClientExchange, receivedPart part: UnsafeRawBufferPointer)
  /// All parts of one read burst have been handed over. Also called before `exchangeEnded` if parts came since the
  /// last time.
  func exchangeFinishedRead(_ exchange: ClientExchange)
  /// The end, exactly once unless `abort` came before; nil: the answer is whole. The socket is closed by then.
  func exchangeEnded(_ exchange: ClientExchange, _ failure: NetworkFailure?)
}

/// One HTTP/1.1 request and its answer on a connection of their own, confined to the loop.
///
///   opening (StreamOpener) ─▶ open ──send()──▶ answering ──whole, cut off, unreadable──▶ ended
///
/// Redirects are not followed: an answer with status 3xx goes to the owner like any other, for credentials must not
/// travel to a place that the user did not name. Silence is the owner's to bound; a peer that is gone is found by TCP's
/// keep-alive probes, at the interval of the pings that a WebSocket would get.
///
/// The loop keeps an exchange and its delegate alive until it has ended or was aborted.
package final class ClientExchange {
  private enum State {
    case opening(StreamOpener)
    /// Open; the request has been given (true) or not.
    case open(ByteStream, hasRequest: Bool)
    case ended
  }

  package var delegate: (any ClientExchangeDelegate)?
  package let loop: EventLoop

  private let peer: String
  private let liveness: LivenessLimits
  private let bodyBytesMax: Int
  private var state: State
  private var output = ByteBuffer(bytesMax: .max)
  private var input = ByteBuffer(bytesMax: 1 << 20)
  private var answer = HTTPAnswerReader()
  private var bodyBytes = 0
  private var hasRequest = false
  private var isSent = false
  /// The kernel takes no more; the answer may have come all the same.
  private var writeFailure: StreamFailure?
  private var isPaused = false
  private var hasScheduledRead = false
  private var hasUnpublishedParts = false
  private var clock: LivenessClock
  /// Armed anew when it fires, unless something is due earlier.
  private var clockTimer: (id: TimerID, due: Int64)?

  private static let readChunk = 64 << 10
  /// After so many bytes other descriptors get their turn.
  private static let burstBytes = 1 << 20

  /// Begins to connect; the outcome comes later, never inside this call. Of the options, those of a WebSocket alone
  /// (subprotocols, compression, message limits) have no meaning here.
  package init(
    connecting options: ConnectOptions, bodyBytesMax: Int, on loop: EventLoop,
    delegate: any ClientExchangeDelegate
  ) {
    self.loop = loop
    self.delegate = delegate
    self.bodyBytesMax = bodyBytesMax
    liveness = options.liveness
    clock = LivenessClock(Self.clockLimits(options.liveness), at: loop.clocks)
    let opener = StreamOpener(options, on: loop)
    peer = opener.peer
    state = .opening(opener)
    loop.schedule(at: 0) {
      guard case .opening = self.state else { return }
      opener.start { self.opened($0) }
    }
  }

  /// There are no pings, and an exchange is never idle.
  private static func clockLimits(_ limits: LivenessLimits) -> LivenessLimits {
    var limits = limits
    limits.pingInterval = .max
    limits.idle = .max
    return limits
  }

  private func opened(_ outcome: StreamOpener.Outcome) {
    switch outcome {
    case .failed(let failure): end(failure)
    case .opened(let stream, let info):
      state = .open(stream, hasRequest: hasRequest)
      stream.transfer(to: self)
      stream.keepAlive(liveness)
      clock.resume(at: loop.now)
      watch()
      delegate?.exchangeOpened(self, info)
      flush()
      stream.setReading(!isPaused)
      scheduleRead()
    }
  }

  // MARK: Sending

  /// Sends the one request; what waits for the way to open is sent then. False: there was one before, it is too
  /// large, or the exchange has ended.
  package func send(_ request: HTTPRequest) -> Bool {
    guard !hasRequest, !loop.isForkedChild else { return false }
    if case .ended = state { return false }
    do throws(BufferFull) { try request.write(to: &output) } catch { return false }
    hasRequest = true
    guard case .open(let stream, _) = state else { return true }
    state = .open(stream, hasRequest: true)
    // Never from inside the caller's call: its end, or `exchangeSent`.
    loop.schedule(at: 0) { self.flush() }
    return true
  }

  private func flush() {
    guard case .open(let stream, hasRequest: true) = state, !isSent, writeFailure == nil else { return }
    let before = output.count
    if let failure = stream.write(from: &output) {
      // The answer may say why; read first.
      writeFailure = failure
      scheduleRead()
      return
    }
    if output.count < before { clock.wrote(at: loop.now) }
    guard output.isEmpty else {
      clock.blocked(at: loop.now)
      return watch()
    }
    isSent = true
    delegate?.exchangeSent(self)
  }

  // MARK: Receiving

  /// Back-pressure: while paused nothing is read from the socket and no part is delivered.
  package func pauseReading() {
    isPaused = true
    clock.pause()
    openStream?.setReading(false)
  }

  package func resumeReading() {
    guard isPaused else { return }
    isPaused = false
    clock.resume(at: loop.now)
    openStream?.setReading(true)
    scheduleRead()
  }

  private var openStream: ByteStream? {
    switch state {
    case .open(let stream, _): stream
    case .opening, .ended: nil
    }
  }

  /// For bytes that epoll will not report: those in our buffer and those in TLS's.
  private func scheduleRead() {
    guard !hasScheduledRead else { return }
    hasScheduledRead = true
    loop.schedule(at: 0) {
      self.hasScheduledRead = false
      self.readBurst()
    }
  }

  private func readBurst() {
    deliver()
    var budget = Self.burstBytes
    while !isPaused, let stream = openStream {
      guard budget > 0 else {
        scheduleRead()
        break
      }
      guard let count = readOnce(stream) else { break }
      budget -= count
      deliver()
    }
    publish()
  }

  /// The number of bytes read; nil when there are none (an end is dealt with here).
  private func readOnce(_ stream: ByteStream) -> Int? {
    let outcome: ByteStream.ReadOutcome
    do throws(BufferFull) {
      outcome = try stream.read(into: &input, chunk: Self.readChunk)
    } catch {
      end(.unreadable(peer, .head(.tooLarge(limitBytes: error.limitBytes))))
      return nil
    }
    switch outcome {
    case .bytes(let count): return count
    case .wouldBlock:
      if let writeFailure { end(.cutOff(peer, writeFailure)) }
      return nil
    case .end:
      receiveEOF()
      return nil
    case .failed(let failure):
      end(.cutOff(peer, writeFailure ?? failure))
      return nil
    }
  }

  private func receiveEOF() {
    do throws(HTTPAnswerError) {
      try answer.receiveEOF()
      end(nil)
    } catch {
      switch error {
      case .endOfStream, .body(.truncated): end(.cutOff(peer, writeFailure))
      case .head, .tooManyInterimAnswers, .switchedProtocols, .body: end(.unreadable(peer, error))
      }
    }
  }

  private func deliver() {
    while !isPaused, case .open(_, hasRequest: true) = state {
      do throws(HTTPAnswerError) {
        switch try answer.next(&input) {
        case .needMore: return
        case .head(let head): delegate?.exchange(self, receivedHead: head)
        case .part(let part):
          bodyBytes += part.count
          guard bodyBytes <= bodyBytesMax else {
            return end(.bodyTooLarge(peer, bytesMax: bodyBytesMax))
          }
          hasUnpublishedParts = true
          delegate?.exchange(self, receivedPart: part)
        case .end: return end(nil)
        }
      } catch {
        return end(.unreadable(peer, error))
      }
    }
  }

  private func publish() {
    guard hasUnpublishedParts else { return }
    hasUnpublishedParts = false
    delegate?.exchangeFinishedRead(self)
  }

  // MARK: Liveness

  private func watch() {
    let due = clock.due
    guard openStream != nil, due < clockTimer?.due ?? .max else { return }
    stopClock()
    clockTimer = (loop.schedule(at: due) { self.check() }, due)
  }

  private func stopClock() {
    if let clockTimer { loop.cancel(clockTimer.id) }
    clockTimer = nil
  }

  private func check() {
    clockTimer = nil
    switch clock.check(loop.clocks) {
    case .alive, .ping, .dead, .idle: watch()
    case .stalled(let nanoseconds):
      end(.stalled(peer, nanoseconds, queuedBytes: output.count))
    case .suspended(let nanoseconds): end(.suspended(peer, nanoseconds))
    }
  }

  // MARK: Ending

  /// Drops the connection now. No delegate call follows. In a forked child only the descriptor's copy is closed, and
  /// the object stays as it was.
  package func abort() {
    guard !loop.isForkedChild else {
      switch state {
      case .opening(let opener): opener.closeInForkedChild()
      case .open(let stream, _): stream.closeInForkedChild()
      case .ended: break
      }
      return
    }
    delegate = nil
    leave()
  }

  private func end(_ failure: NetworkFailure?) {
    if case .ended = state { return }
    leave()
    publish()
    let delegate = self.delegate
    self.delegate = nil
    delegate?.exchangeEnded(self, failure)
  }

  private func leave() {
    stopClock()
    switch state {
    case .opening(let opener): opener.cancel()
    case .open(let stream, _): stream.close()
    case .ended: break
    }
    state = .ended
  }
}

extension ClientExchange: ByteStreamOwner {
  func streamSecured() {}
  func streamReadable() { readBurst() }
  func streamWritable() { flush() }
  func streamFailed(_ failure: StreamFailure) { end(.cutOff(peer, failure)) }
}
