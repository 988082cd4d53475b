import RWSWebSocket

/// The owner of an exchange. Every call comes on the loop's driving thread. Any method of the exchange may be
/// called from inside a callback, `abort` included.
package protocol ClientExchangeDelegate: AnyObject {
  /// The way to the server is open, be it one that has served before (`isReused`).
  func exchangeOpened(_ exchange: ClientExchange, _ info: StreamInfo)
  /// The kernel has the whole request.
  func exchangeSent(_ exchange: ClientExchange)
  func exchange(_ exchange: ClientExchange, receivedHead head: HTTPResponseHead)
  /// A part of the body as it came, borrowed until the callback returns.
  func exchange(_ exchange: ClientExchange, receivedPart part: UnsafeRawBufferPointer)
  /// All parts of one read burst have been handed over. Also called before `exchangeEnded` if parts came since the
  /// last time.
  func exchangeFinishedRead(_ exchange: ClientExchange)
  /// The end, exactly once unless `abort` or `release` came before; nil: the answer is whole. The socket is closed by
  /// then, or kept for another exchange.
  func exchangeEnded(_ exchange: ClientExchange, _ failure: NetworkFailure?)
}

/// One HTTP/1.1 request and its answer on a connection that is theirs meanwhile, confined to the loop.
///
///   waiting ──kept one──▶ open ──send()──▶ answering ──whole, cut off, unreadable──▶ ended
///      └─▶ opening (StreamOpener) ─▶┘└──kept one was gone──▶ opening
///
/// A kept connection may have been ended by its server just now. If nothing of the request was written, another is made
/// and nobody hears of it. If something was, the request may have been carried out: that is told like any other loss.
///
/// Redirects are not followed: an answer with status 3xx goes to the owner like any other, for credentials must not
/// travel to a place that the user did not name. Silence is the owner's to bound; a peer that is gone is found by TCP's
/// keep-alive probes, at the interval of the pings that a WebSocket would get.
///
/// The loop keeps an exchange and its delegate alive until it has ended or was aborted.
package final class ClientExchange {
  private enum State {
    /// For the loop, or for a kept connection that is about to be free.
    case waiting
    case opening(StreamOpener)
    case open(ByteStream, StreamInfo)
    case ended
  }

  package var delegate: (any ClientExchangeDelegate)?
  package let loop: EventLoop
  /// The connection has carried an exchange before.
  package private(set) var isReused = false
  /// Something of an answer, or an end of one, has come.
  private var hasHeard = false
  let key: ConnectionKey

  private let options: ConnectOptions
  private let connections: IdleConnections
  private let peer: String
  private var bodyBytesMax: Int
  private var state = State.waiting
  private var output = ByteBuffer(bytesMax: .max)
  private var input = ByteBuffer(bytesMax: inputMax)
  private var answer = HTTPAnswerReader()
  private var bodyBytes = 0
  private var hasRequest = false
  private var hasOpened = false
  /// The kernel has taken something of the request, or TLS has.
  private var hasWritten = false
  private var isSent = false
  /// The kernel takes no more; the answer may have come all the same.
  private var writeFailure: StreamFailure?
  private var isPaused = false
  private var hasScheduledRead = false
  private var hasUnpublishedParts = false
  private var clock: LivenessClock
  /// Armed anew when it fires, unless something is due earlier.
  private var clockTimer: (id: TimerID, due: Int64)?
  private var releaseTimer: TimerID?

  private static let inputMax = 1 << 20
  private static let readChunk = 64 << 10
  /// After so many bytes other descriptors get their turn.
  private static let burstBytes = 1 << 20
  /// So much is read of an answer that its owner has let go of.
  private static let restBytes = 64 << 10

  /// Begins to connect, unless `connections` has a connection for it; the outcome comes later, never inside this call.
  /// Of the options, those of a WebSocket alone (subprotocols, compression, message limits) have no meaning here.
  package init(
    connecting options: ConnectOptions, or connections: IdleConnections, bodyBytesMax: Int, on loop: EventLoop,
    delegate: any ClientExchangeDelegate
  ) {
    self.loop = loop
    self.delegate = delegate
    self.bodyBytesMax = bodyBytesMax
    self.options = options
    self.connections = connections
    key = ConnectionKey(options)
    peer = hostAndPort(options.url.host, UInt16(clamping: options.url.port))
    clock = LivenessClock(Self.clockLimits(options.liveness), at: loop.clocks)
    loop.schedule(at: 0) { self.begin() }
  }

  /// The connection had carried exchanges before, and ended without a byte of this one's answer: its server had most
  /// likely closed it before the request came. That is likely, not known.
  package var endedUnheard: Bool { isReused && !hasHeard }

  /// There are no pings, and an exchange is never idle.
  private static func clockLimits(_ limits: LivenessLimits) -> LivenessLimits {
    var limits = limits
    limits.pingInterval = .max
    limits.idle = .max
    return limits
  }

  // MARK: Connecting

  func begin() {
    guard case .waiting = state else { return }
    if let kept = connections.take(for: key) {
      isReused = true
      return opened(kept.stream, kept.info)
    }
    if !connections.mayWait(self) { dial() }
  }

  private func dial() {
    let opener = StreamOpener(options, on: loop)
    state = .opening(opener)
    opener.start { outcome in
      switch outcome {
      case .failed(let failure): self.end(failure)
      case .opened(let stream, let info):
        stream.keepAlive(self.options.liveness)
        self.opened(stream, info)
      }
    }
  }

  private func opened(_ stream: ByteStream, _ info: StreamInfo) {
    state = .open(stream, info)
    stream.transfer(to: self)
    clock.resume(at: loop.now)
    watch()
    if !hasOpened {
      hasOpened = true
      delegate?.exchangeOpened(self, info)
    }
    flush()
    openStream?.setReading(!isPaused)
    scheduleRead()
  }

  /// Nothing was written to the kept connection, and it is no good.
  private func redial(instead stream: ByteStream) {
    stopClock()
    stream.close()
    isReused = false
    input = ByteBuffer(bytesMax: Self.inputMax)
    dial()
  }

  // MARK: Sending

  /// Sends the one request; what waits for the way to open is sent then. False: there was one before, it is too
  /// large, or the exchange has ended.
  package func send(_ request: HTTPRequest) -> Bool {
    guard !hasRequest, !loop.isForkedChild else { return false }
    if case .ended = state { return false }
    do throws(BufferFull) { try request.write(to: &output) } catch { return false }
    hasRequest = true
    guard case .open = state else { return true }
    // Never from inside the caller's call: its end, or `exchangeSent`.
    loop.schedule(at: 0) { self.flush() }
    return true
  }

  private func flush() {
    guard case .open(let stream, _) = state, hasRequest, !isSent, writeFailure == nil else { return }
    // The last moment to see that the server has ended it, or has said something that nobody asked for.
    let isFresh = !isReused || hasWritten
    guard isFresh || (input.isEmpty && stream.isQuiet) else { return redial(instead: stream) }
    let before = output.count
    let failure = stream.write(from: &output)
    if failure == nil || output.count < before { hasWritten = true }
    if let failure {
      guard isFresh || hasWritten else { return redial(instead: stream) }
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
    case .waiting, .opening, .ended: nil
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
    case .bytes(let count):
      hasHeard = true
      return count
    case .wouldBlock:
      if let writeFailure { end(.cutOff(peer, writeFailure)) }
    case .end, .failed:
      if isReused, !hasWritten {
        redial(instead: stream)
      } else if case .failed(let failure) = outcome {
        end(.cutOff(peer, writeFailure ?? failure))
      } else {
        receiveEOF()
      }
    }
    return nil
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
    // What comes of a kept connection before the request has gone out answers something else.
    while !isPaused, hasRequest, hasWritten || !isReused, case .open = state {
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
        case .end: return finish()
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

  /// The owner has what it wanted of the answer; no delegate call follows. What is left of it is read, if it is little
  /// and comes soon, so that the connection can carry another exchange.
  package func release() {
    guard case .open = state, hasRequest, case .keeps = answer.persistence, !loop.isForkedChild else {
      return abort()
    }
    delegate = nil
    bodyBytesMax = min(bodyBytesMax, bodyBytes + Self.restBytes)
    connections.noteReleasing(self)
    releaseTimer = loop.schedule(at: loop.now &+ connections.restPatience) {
      self.releaseTimer = nil
      self.connections.noteLate(self)
      self.leave()
    }
    resumeReading()
  }

  /// Drops the connection now. No delegate call follows. In a forked child only the descriptor's copy is closed, and
  /// the object stays as it was.
  package func abort() {
    guard !loop.isForkedChild else {
      switch state {
      case .opening(let opener): opener.closeInForkedChild()
      case .open(let stream, _): stream.closeInForkedChild()
      case .waiting, .ended: break
      }
      return
    }
    delegate = nil
    leave()
  }

  /// The answer is whole. A connection whose server answered before it had read the request is not kept: where the
  /// next one would begin is anybody's guess.
  private func finish() {
    if case .open(let stream, let info) = state, case .keeps(let seconds) = answer.persistence, isSent, input.isEmpty {
      state = .ended
      connections.add(stream, info, for: key, seconds: seconds)
    }
    leave()
    tell(nil)
  }

  private func end(_ failure: NetworkFailure?) {
    if case .ended = state { return }
    if endedUnheard { connections.distrust(key) }
    leave()
    tell(failure)
  }

  private func tell(_ failure: NetworkFailure?) {
    publish()
    let delegate = self.delegate
    self.delegate = nil
    delegate?.exchangeEnded(self, failure)
  }

  private func leave() {
    stopClock()
    if let releaseTimer { loop.cancel(releaseTimer) }
    releaseTimer = nil
    switch state {
    case .opening(let opener): opener.cancel()
    case .open(let stream, _): stream.close()
    case .waiting, .ended: break
    }
    state = .ended
    connections.forget(self)
  }
}

extension ClientExchange: ByteStreamOwner {
  func streamSecured() {}
  func streamReadable() { readBurst() }
  func streamWritable() { flush() }
  func streamFailed(_ failure: StreamFailure) { end(.cutOff(peer, failure)) }
}
