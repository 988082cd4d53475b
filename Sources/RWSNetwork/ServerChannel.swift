import Glibc
import RWSWebSocket

/// A complete HTTP request as the server received it.
package struct ServerRequest: Sendable {
  package let head: HTTPRequestHead
  /// Whole; empty for an upgrade.
  package let body: [UInt8]
  /// The request asks for a WebSocket, and validly so (RFC 6455 §4.2.1).
  package let isWebSocketUpgrade: Bool

  package var method: String { head.method }
  /// Path and query as sent.
  package var target: String { head.target }

  /// The first header of this name, in any case.
  package func header(_ name: String) -> String? { head.fields[name] }
}

/// Every call comes on the loop's driving thread.
package protocol ServerChannelDelegate: AnyObject {
  /// Answer with `upgrade`, `respond`, `beginAnswer` and what follows it, or `abort`, now or later. The next
  /// request of a kept connection comes when the answer has been sent.
  func channel(_ channel: ServerChannel, received request: ServerRequest)
  /// The connection ended without an upgrade: answered and flushed, timed out, broken, or dropped by the
  /// peer. Exactly once unless `upgrade` or `abort` came before.
  func channelClosed(_ channel: ServerChannel)
}

/// One accepted connection until its request is answered or upgraded. Confined to its loop, which keeps it
/// and its delegate alive.
///
///   securing ──▶ head ──▶ body ──▶ deciding ──upgrade()──▶ ended (the WebSocketChannel has the stream)
///                  ▲        │          ├──beginAnswer()──▶ answering ─┐
///                  │        │          └──respond()──┬────────────────┤
///                  │        └──malformed, too large──┴──▶ ending ──flushed, client gone or late──▶ ended
///                  └──────────────── flushed, and the connection is kept
package final class ServerChannel {
  private enum State {
    case securing
    case head(ServerHandshake)
    case body(HTTPRequestHead, HTTPBodyReader)
    /// The delegate has the request; nothing is read. nil: no upgrade.
    case deciding(UpgradeRequest?)
    /// The answer is on its way; what the client sends meanwhile is left for later.
    case answering(Answer)
    case ending(LingeringClose)
    case ended
  }

  private struct Answer {
    var isChunked: Bool
    /// The whole of it is in the output.
    var isWhole: Bool
  }

  package var delegate: (any ServerChannelDelegate)?
  package let loop: EventLoop
  /// Numeric address and port of the client.
  package let peerAddress: String

  private let requestBodyBytes: Int
  private let requestTimeout: Int64
  private var keepsConnections: Bool
  private let refusal: @Sendable (_ status: Int, _ explanation: String) -> HTTPAnswer
  /// Of the request under way.
  private var isKept = false
  private var hasAnswered = false
  /// As far as it has come. Not in `state`, so that appending copies nothing.
  private var body: [UInt8] = []
  private var output = ByteBuffer(bytesMax: 256 << 20)
  private var state = State.securing
  private var stream: ByteStream?
  private var timer: TimerID?
  private var input = ByteBuffer(bytesMax: 512 << 10)

  private static let readChunk = 16 << 10
  /// Beyond it nothing is read before what is there has been used.
  private static let inputMax = 256 << 10
  private static let linger: Int64 = 2_000_000_000

  init(
    _ descriptor: Int32, from address: SocketAddress, _ options: ListenOptions, on loop: EventLoop
  ) throws(NetworkFailure) {
    self.loop = loop
    peerAddress = address.description
    requestBodyBytes = options.requestBodyBytes
    requestTimeout = options.requestTimeoutNanoseconds
    keepsConnections = options.keepsConnections
    refusal = options.refusal
    let stream = try Self.open(descriptor, options.tls, on: loop, owner: nil)
    self.stream = stream
    stream.transfer(to: self)
    if options.tls == nil { state = .head(ServerHandshake()) }
    startTimer()
  }

  private func startTimer() {
    let deadline = MonotonicClock.deadline(after: requestTimeout)
    timer = loop.schedule(at: deadline) { self.timedOut() }
  }

  private static func open(
    _ descriptor: Int32, _ tls: TLSContext?, on loop: EventLoop, owner: (any ByteStreamOwner)?
  ) throws(NetworkFailure) -> ByteStream {
    let stream = ByteStream(descriptor, on: loop, owner: owner)
    var session: TLSSession?
    if let tls {
      do throws(TLSFailure) {
        session = try TLSSession(tls, acceptedOn: stream.transport)
      } catch {
        throw NetworkFailure(.tls, "A TLS session could not be made: \(error.text).")
      }
    }
    try stream.start()
    if let session { stream.secure(session) }
    return stream
  }

  // MARK: Answering

  /// Answers 101 and goes on as a WebSocket. The returned channel is open already (no `channelOpened` call
  /// follows) and delivers nothing before this call has returned. `fields` are sent besides those of the
  /// handshake; `deflate` is what is agreed to if the client offers compression, as far as its offer allows
  /// it (nil: no compression). Returns nil, and changes nothing, if the connection has ended, the request was no valid
  /// upgrade, or `fields` cannot be sent.
  package func upgrade(
    fields: HTTPFields = HTTPFields(), deflate: DeflateParameters? = .serverPreference,
    limits: ChannelLimits = ChannelLimits(),
    delegate: any WebSocketChannelDelegate
  ) -> WebSocketChannel? {
    guard case .deciding(let request?) = state, let stream else { return nil }
    let acceptance = deflate.flatMap { request.acceptDeflate(preferring: $0) }
    var answer = ByteBuffer(bytesMax: 64 << 10)
    do throws(HTTPWriteError) {
      try request.writeAcceptance(deflate: acceptance, fields: fields, to: &answer)
    } catch {
      return nil
    }
    let channel = WebSocketChannel(
      upgraded: stream, from: peerAddress, output: answer.bytes, input: input.bytes,
      deflate: acceptance?.parameters, limits: limits, delegate: delegate)
    stopTimer()
    self.stream = nil
    self.delegate = nil
    state = .ended
    return channel
  }

  /// Answers with a complete body (Content-Length is added); then the next request is read, or the connection
  /// closed when it is flushed. Only the first answer counts.
  package func respond(_ answer: HTTPAnswer) {
    guard case .deciding = state else { return }
    guard isKept else { return end(with: answer) }
    do throws(HTTPWriteError) {
      try answer.write(to: &output, closes: false, isHead: isHead)
    } catch {
      return end(with: HTTPAnswer(status: 500))
    }
    state = .answering(Answer(isChunked: false, isWhole: true))
    flush()
  }

  /// Answers with a body that comes in parts, by `sendPart` and `endAnswer`. False, and no answer, if the
  /// fields cannot be sent or there is no request to answer.
  package func beginAnswer(status: Int, fields: HTTPFields) -> Bool {
    guard case .deciding = state else { return false }
    do throws(HTTPWriteError) {
      // A client of HTTP/1.0 knows no chunks; its connection is not kept either.
      try HTTPAnswer.writeHead(
        status: status, fields, isChunked: isHTTP11, closes: !isKept, to: &output)
    } catch {
      return false
    }
    state = .answering(Answer(isChunked: isHTTP11, isWhole: false))
    // A client that goes away in the middle is noticed.
    stream?.setReading(true)
    flush()
    return true
  }

  /// False if it will not be sent: the answer is over, or too much waits for the client to read.
  @discardableResult
  package func sendPart(_ bytes: [UInt8]) -> Bool {
    guard case .answering(let answer) = state, !answer.isWhole, !bytes.isEmpty else { return false }
    do throws(BufferFull) {
      if answer.isChunked {
        try HTTPAnswer.writeChunk(bytes, to: &output)
      } else {
        try output.append(bytes)
      }
    } catch {
      return false
    }
    flush()
    return true
  }

  package func endAnswer() {
    guard case .answering(var answer) = state, !answer.isWhole else { return }
    if answer.isChunked { try? HTTPAnswer.writeChunk([], to: &output) }
    answer.isWhole = true
    state = .answering(answer)
    flush()
  }

  /// Bytes of an answer that the kernel has not taken.
  package var queuedBytes: Int { output.count }

  /// Waiting for a request of which nothing has come.
  package var isIdle: Bool {
    switch state {
    case .head: input.isEmpty
    case .securing, .body, .deciding, .answering, .ending, .ended: false
    }
  }

  private var isHTTP11 = true
  /// RFC 9110 §9.3.2: the answer to HEAD has no body.
  private var isHead = false

  private func flush() {
    guard case .answering(let answer) = state, let stream else { return }
    while !output.isEmpty {
      switch stream.write(output.bytes) {
      case .bytes(let count): output.consume(count)
      case .wouldBlock: return
      // From the loop: the delegate may be in the middle of a call.
      case .failed:
        loop.schedule(at: 0) { self.finish() }
        return
      }
    }
    guard answer.isWhole else { return }
    guard isKept else { return close(stream, after: ByteBuffer(bytesMax: 0)) }
    output.shrink()
    hasAnswered = true
    state = .head(ServerHandshake())
    startTimer()
    // From the loop: the next request may be there already, and its delegate call must not nest in this one.
    loop.schedule(at: 0) {
      guard case .head = self.state else { return }
      self.stream?.setReading(true)
      self.parse()
      self.receive()
    }
  }

  private func end(with answer: HTTPAnswer) {
    guard let stream else { return }
    var output = ByteBuffer(bytesMax: .max)
    do throws(HTTPWriteError) {
      try answer.write(to: &output, isHead: isHead)
    } catch {
      // Fields that would break the head: the client learns that much.
      try? HTTPAnswer(status: 500).write(to: &output)
    }
    stopTimer()
    close(stream, after: output)
  }

  private func close(_ stream: ByteStream, after output: consuming ByteBuffer) {
    state = .ending(
      LingeringClose(
        stream, output: output,
        .init(endsOwnHalf: true, patienceNanoseconds: Self.linger, waitsForSlowReader: true),
        sent: { _ in }, completion: { self.finish() }))
  }

  /// The answer that is under way, or the one to the request that is coming, is the last.
  package func keepNoLonger() {
    keepsConnections = false
    isKept = false
  }

  /// Drops the connection now. No delegate call follows.
  package func abort() {
    guard !loop.isForkedChild else {
      stream?.closeInForkedChild()
      return
    }
    delegate = nil
    if case .ending(let lingering) = state { lingering.cancel() }
    stream?.close()
    stopTimer()
    stream = nil
    state = .ended
  }

  // MARK: Receiving

  private func receive() {
    while let stream, isReceiving {
      guard input.count < Self.inputMax else { return stream.setReading(false) }
      let room: UnsafeMutableRawBufferPointer
      do throws(BufferFull) {
        room = try input.reserve(Self.readChunk)
      } catch {
        return finish()
      }
      switch stream.read(into: room) {
      case .bytes(let count):
        input.commit(count)
        parse()
      case .wouldBlock: return
      case .end, .failed: return finish()
      }
    }
  }

  private var isReceiving: Bool {
    switch state {
    case .head, .body, .answering: true
    case .securing, .deciding, .ending, .ended: false
    }
  }

  private func parse() {
    if case .head(var handshake) = state {
      let step = handshake.next(&input)
      state = .head(handshake)
      take(step)
    }
    if case .body(let head, let reader) = state { readBody(head, reader) }
  }

  private func take(_ step: ServerHandshake.Step) {
    switch step {
    case .needMore: break
    case .upgrade(let request):
      decide(
        ServerRequest(head: request.head, body: [], isWebSocketUpgrade: true), request)
    case .request(let head, let framing):
      if case .length(let count) = framing, count > requestBodyBytes { return refuseBody() }
      state = .body(head, HTTPBodyReader(framing))
      if case .length(let count) = framing, count > 0 { continueIfAsked(head) }
    case .refused(let refusal):
      var answer = self.refusal(refusal.status, refusal.explanation)
      answer.fields.append(contentsOf: refusal.fields)
      end(with: answer)
    }
  }

  /// RFC 9110 §10.1.1: a client may wait for leave to send its body (curl does, over a kilobyte or so).
  private func continueIfAsked(_ head: HTTPRequestHead) {
    guard head.fields.list("Expect", contains: "100-continue") else { return }
    // 25 bytes into an empty socket buffer; a client that misses them sends its body after a second anyway.
    Array("HTTP/1.1 100 Continue\r\n\r\n".utf8).withUnsafeBytes { _ = stream?.write($0) }
  }

  private func readBody(_ head: HTTPRequestHead, _ given: HTTPBodyReader) {
    var reader = given
    do throws(HTTPBodyError) {
      while true {
        switch try reader.next(&input) {
        case .needMore:
          state = .body(head, reader)
          return
        case .part(let part):
          guard part.count <= requestBodyBytes - body.count else { return refuseBody() }
          body.append(contentsOf: part)
        case .end:
          let whole = body
          body = []
          return decide(ServerRequest(head: head, body: whole, isWebSocketUpgrade: false), nil)
        }
      }
    } catch {
      end(with: refusal(400, error.description))
    }
  }

  private func refuseBody() {
    end(with: refusal(413, "the body is larger than \(requestBodyBytes) bytes"))
  }

  private func decide(_ request: ServerRequest, _ upgrade: UpgradeRequest?) {
    stopTimer()
    stream?.setReading(false)
    isHTTP11 = request.head.start.minorVersion >= 1
    isHead = request.method == "HEAD"
    isKept =
      keepsConnections && isHTTP11
      && !request.head.fields.list("Connection", contains: "close")
    state = .deciding(upgrade)
    guard let delegate else { return finish() }
    delegate.channel(self, received: request)
  }

  // MARK: Ending

  private func timedOut() {
    timer = nil
    switch state {
    case .head where hasAnswered && input.isEmpty: finish()
    case .head, .body:
      end(with: refusal(408, "the request took too long"))
    case .securing: finish()
    case .deciding, .answering, .ending, .ended: break
    }
  }

  private func stopTimer() {
    if let timer { loop.cancel(timer) }
    timer = nil
  }

  private func finish() {
    if case .ended = state { return }
    stopTimer()
    stream?.close()
    stream = nil
    state = .ended
    let delegate = self.delegate
    self.delegate = nil
    delegate?.channelClosed(self)
  }
}

extension ServerChannel: ByteStreamOwner {
  func streamSecured() {
    guard case .securing = state else { return }
    state = .head(ServerHandshake())
  }

  func streamReadable() {
    receive()
  }

  func streamWritable() {
    flush()
  }

  func streamFailed(_ failure: StreamFailure) {
    finish()
  }
}
