import RWSWebSocket

/// A client's way to an open WebSocket: the way to an open stream, then the upgrade.
///
///   opening (StreamOpener) ─▶ upgrading ─▶ ended
final class ClientConnection {
  enum Outcome: ~Copyable {
    /// What came after the head of the answer is in the buffer.
    case upgraded(ByteStream, HandshakeInfo, ByteBuffer)
    case failed(NetworkFailure)
  }

  private enum State {
    case idle
    case opening
    case upgrading(ByteStream, StreamInfo)
    case ended
  }

  private let options: ConnectOptions
  private let loop: EventLoop
  private let opener: StreamOpener
  private var state = State.idle
  private var timer: TimerID?
  private var completion: ((consuming Outcome) -> Void)?
  private var handshake: ClientHandshake?
  private var input = ByteBuffer(bytesMax: 512 << 10)
  private var output = ByteBuffer(bytesMax: 512 << 10)

  private static let readChunk = 16 << 10

  init(_ options: ConnectOptions, on loop: EventLoop) {
    self.options = options
    self.loop = loop
    opener = StreamOpener(options, on: loop)
  }

  /// Host and port of the target, for messages.
  var peer: String { opener.peer }

  /// `completion` is called once, from the loop, never inside this call; not after `cancel`.
  func start(_ completion: @escaping (consuming Outcome) -> Void) {
    self.completion = completion
    loop.schedule(at: 0) { self.begin() }
  }

  func cancel() {
    completion = nil
    leave()
  }

  private func begin() {
    guard completion != nil else { return }
    var nonce = [UInt8](repeating: 0, count: 16)
    guard nonce.withUnsafeMutableBytes({ OpenSSLLibrary.random($0) }) else {
      return fail(NetworkFailure(.resources, "The system gave no random bytes for the handshake."))
    }
    do throws(UpgradeRequestError) {
      handshake = try ClientHandshake(
        url: options.url, nonce: nonce, fields: options.fields, subprotocols: options.subprotocols,
        deflate: options.deflate)
    } catch {
      return fail(NetworkFailure(.handshake, "The upgrade cannot be requested: \(error)."))
    }
    state = .opening
    opener.start { outcome in
      switch outcome {
      case .opened(let stream, let info): self.upgrade(stream, info)
      case .failed(let failure): self.fail(failure)
      }
    }
  }

  private func upgrade(_ stream: ByteStream, _ info: StreamInfo) {
    state = .upgrading(stream, info)
    stream.transfer(to: self)
    let limit = MonotonicClock.deadline(after: options.timeouts.upgrade)
    timer = loop.schedule(at: min(opener.deadline, limit)) { self.timedOut() }
    do throws(BufferFull) {
      try handshake?.writeRequest(to: &output)
    } catch {
      return fail(
        NetworkFailure(
          .handshake,
          "The upgrade request is larger than \(error.limitBytes) bytes. Send fewer headers."))
    }
    streamWritable()
  }

  private func answered(
    _ step: ClientHandshake.Step, _ stream: ByteStream, _ info: StreamInfo
  ) {
    switch step {
    case .needMore: break
    case .failed(let failure):
      fail(
        NetworkFailure(
          .handshake,
          "The WebSocket handshake with \(peer) failed: \(failure). Check the URL and any proxy between."
        ))
    case .refused(let refusal): fail(.refused(peer, refusal))
    case .upgraded(let head):
      let info = HandshakeInfo(
        status: head.status, fields: head.fields, stream: info, deflate: handshake?.deflate)
      var rest = ByteBuffer(bytesMax: 0)
      swap(&rest, &input)
      state = .ended
      finish(.upgraded(stream, info, rest))
    }
  }

  // MARK: Ending

  private func timedOut() {
    timer = nil
    // A refusal whose body is late says more than the time limit.
    if let step = handshake?.receiveEOF(), case .refused(let refusal) = step {
      return fail(.refused(peer, refusal))
    }
    fail(.timedOut(peer, .upgrading, options.timeouts, deadline: opener.deadline))
  }

  private func fail(_ failure: NetworkFailure) {
    leave()
    finish(.failed(failure))
  }

  private func finish(_ outcome: consuming Outcome) {
    stopTimer()
    let completion = self.completion
    self.completion = nil
    completion?(outcome)
  }

  private func stopTimer() {
    if let timer { loop.cancel(timer) }
    timer = nil
  }

  private func leave() {
    stopTimer()
    switch state {
    case .idle, .ended: break
    case .opening: opener.cancel()
    case .upgrading(let stream, _): stream.close()
    }
    state = .ended
  }

  func closeInForkedChild() {
    switch state {
    case .idle, .ended: break
    case .opening: opener.closeInForkedChild()
    case .upgrading(let stream, _): stream.closeInForkedChild()
    }
  }
}

extension ClientConnection: ByteStreamOwner {
  func streamSecured() {}

  func streamFailed(_ failure: StreamFailure) {
    switch failure {
    case .tls(let failure): fail(.tls(peer, failure))
    case .system: fail(.lost(peer, failure))
    }
  }

  func streamWritable() {
    guard case .upgrading(let stream, _) = state else { return }
    // The answer may have come already; reading tells.
    if stream.write(from: &output) != nil { streamReadable() }
  }

  func streamReadable() {
    while case .upgrading(let stream, let info) = state {
      let outcome: ByteStream.ReadOutcome
      do throws(BufferFull) {
        outcome = try stream.read(into: &input, chunk: Self.readChunk)
      } catch {
        return fail(.lost(peer, nil))
      }
      switch outcome {
      case .bytes:
        guard let step = handshake?.next(&input) else { return }
        answered(step, stream, info)
      case .wouldBlock: return
      case .end:
        guard let step = handshake?.receiveEOF() else { return }
        return answered(step, stream, info)
      // With TLS 1.3 a server refuses a handshake after the client thinks it is done.
      case .failed(let failure): return streamFailed(failure)
      }
    }
  }
}
