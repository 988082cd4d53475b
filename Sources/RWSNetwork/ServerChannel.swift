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
  /// Answer with `upgrade`, `respond`, or `abort`, now or later. One request per connection.
  func channel(_ channel: ServerChannel, received request: ServerRequest)
  /// The connection ended before it was upgraded: answered and flushed, timed out, broken, or dropped by the
  /// peer. Exactly once unless `upgrade` or `abort` came before.
  func channelClosed(_ channel: ServerChannel)
}

/// One accepted connection until its request is answered or upgraded. Confined to its loop, which keeps it
/// and its delegate alive.
///
///   securing ──▶ head ──▶ body ──▶ deciding ──upgrade()──▶ ended (the WebSocketChannel has the stream)
///                  │        │          └──respond()──┐
///                  └────────┴──malformed, too large──┴──▶ ending ──flushed, client gone or late──▶ ended
package final class ServerChannel {
  private enum State {
    case securing
    case head(ServerHandshake)
    case body(HTTPRequestHead, HTTPBodyReader, [UInt8])
    /// The delegate has the request; nothing is read. nil: no upgrade.
    case deciding(UpgradeRequest?)
    case ending(LingeringClose)
    case ended
  }

  package var delegate: (any ServerChannelDelegate)?
  package let loop: EventLoop
  /// Numeric address and port of the client.
  package let peerAddress: String

  private let requestBodyBytes: Int
  private var state = State.securing
  private var stream: ByteStream?
  private var timer: TimerID?
  private var input = ByteBuffer(bytesMax: 512 << 10)

  private static let readChunk = 16 << 10
  private static let linger: Int64 = 2_000_000_000

  init(
    _ descriptor: Int32, from address: SocketAddress, _ options: ListenOptions, on loop: EventLoop
  ) throws(NetworkFailure) {
    self.loop = loop
    peerAddress = address.description
    requestBodyBytes = options.requestBodyBytes
    let stream = try Self.open(descriptor, options.tls, on: loop, owner: nil)
    self.stream = stream
    stream.transfer(to: self)
    if options.tls == nil { state = .head(ServerHandshake()) }
    let deadline = MonotonicClock.deadline(after: options.requestTimeoutNanoseconds)
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

  /// Answers with a complete body (Content-Length and Connection: close are added), then closes when it is
  /// flushed. Only the first answer counts.
  package func respond(_ answer: HTTPAnswer) {
    guard case .deciding = state else { return }
    end(with: answer)
  }

  private func end(with answer: HTTPAnswer) {
    guard let stream else { return }
    var output = ByteBuffer(bytesMax: .max)
    do throws(HTTPWriteError) {
      try answer.write(to: &output)
    } catch {
      // Fields that would break the head: the client learns that much.
      try? HTTPAnswer(status: 500).write(to: &output)
    }
    stopTimer()
    state = .ending(
      LingeringClose(
        stream, output: output,
        .init(endsOwnHalf: true, patienceNanoseconds: Self.linger, waitsForSlowReader: true),
        sent: { _ in }, completion: { self.finish() }))
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
    case .head, .body: true
    case .securing, .deciding, .ending, .ended: false
    }
  }

  private func parse() {
    if case .head(var handshake) = state {
      let step = handshake.next(&input)
      state = .head(handshake)
      take(step)
    }
    if case .body(let head, let reader, let body) = state {
      // Moved out, so that appending does not copy what is there.
      state = .securing
      readBody(head, reader, body)
    }
  }

  private func take(_ step: ServerHandshake.Step) {
    switch step {
    case .needMore: break
    case .upgrade(let request):
      decide(
        ServerRequest(head: request.head, body: [], isWebSocketUpgrade: true), request)
    case .request(let head, let framing):
      if case .length(let count) = framing, count > requestBodyBytes { return refuseBody() }
      state = .body(head, HTTPBodyReader(framing), [])
      if case .length(let count) = framing, count > 0 { continueIfAsked(head) }
    case .refused(let refusal):
      end(
        with: HTTPAnswer(
          status: refusal.status, fields: refusal.fields, body: Array(refusal.explanation.utf8)))
    }
  }

  /// RFC 9110 §10.1.1: a client may wait for leave to send its body (curl does, over a kilobyte or so).
  private func continueIfAsked(_ head: HTTPRequestHead) {
    guard head.fields.list("Expect", contains: "100-continue") else { return }
    // 25 bytes into an empty socket buffer; a client that misses them sends its body after a second anyway.
    Array("HTTP/1.1 100 Continue\r\n\r\n".utf8).withUnsafeBytes { _ = stream?.write($0) }
  }

  private func readBody(_ head: HTTPRequestHead, _ reader: HTTPBodyReader, _ body: [UInt8]) {
    var reader = reader
    var body = body
    do throws(HTTPBodyError) {
      while true {
        switch try reader.next(&input) {
        case .needMore:
          state = .body(head, reader, body)
          return
        case .part(let part):
          guard part.count <= requestBodyBytes - body.count else { return refuseBody() }
          body.append(contentsOf: part)
        case .end:
          return decide(ServerRequest(head: head, body: body, isWebSocketUpgrade: false), nil)
        }
      }
    } catch {
      end(with: HTTPAnswer(status: 400, body: Array(error.description.utf8)))
    }
  }

  private func refuseBody() {
    end(
      with: HTTPAnswer(
        status: 413, body: Array("the body is larger than \(requestBodyBytes) bytes".utf8)))
  }

  private func decide(_ request: ServerRequest, _ upgrade: UpgradeRequest?) {
    stopTimer()
    stream?.setReading(false)
    state = .deciding(upgrade)
    guard let delegate else { return finish() }
    delegate.channel(self, received: request)
  }

  // MARK: Ending

  private func timedOut() {
    timer = nil
    switch state {
    case .head, .body:
      end(with: HTTPAnswer(status: 408, body: Array("the request took too long".utf8)))
    case .securing: finish()
    case .deciding, .ending, .ended: break
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

  func streamWritable() {}

  func streamFailed(_ failure: StreamFailure) {
    finish()
  }
}
