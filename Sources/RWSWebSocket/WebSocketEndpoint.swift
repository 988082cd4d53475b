/// One WebSocket connection after its upgrade, without I/O (RFC 6455 §5–7): the shell moves bytes between
/// the socket and `input`/`output`, and asks `next()` what they mean.
///
///   open ──close()──▶ closing ──peer's Close──▶ closed(.handshake)
///     ├──peer's Close (answered at once)──────▶ closed(.handshake)
///     ├──a rule broken (Close sent once)──────▶ closed(.failed)
///     └──end of stream without a Close────────▶ closed(.lost)          (from closing, too)
///
/// When closed, the shell flushes `output` and ends the TCP connection: a server at once, a client after it
/// saw the server do so or a short time limit (§7.1.1).
package struct WebSocketEndpoint: ~Copyable {
  package enum Event {
    /// Read more into `input`; so many bytes are missing at least.
    case needMore(Int)
    /// A message, valid until the next call on this endpoint. Text is valid UTF-8.
    case text(UnsafeRawBufferPointer)
    case binary(UnsafeRawBufferPointer)
    case pong(UnsafeRawBufferPointer)
    /// Nothing more will come; `state` says why.
    case closed
  }

  package enum State: Equatable, Sendable {
    case open
    /// Our Close frame is in the output; the peer's is awaited, and its messages are still delivered.
    case closing
    case closed(Ending)
  }

  package enum Ending: Error, Equatable, Sendable {
    /// Both Close frames were exchanged. `code` is what the peer sent (`noStatus` if it sent none).
    case handshake(code: CloseCode, reason: String, startedByPeer: Bool)
    case failed(ProtocolFailure)
    /// The stream ended without the peer's Close frame (1006 to the application).
    case lost(afterOurClose: Bool)

    /// The code for the application (§7.1.5).
    package var code: CloseCode {
      switch self {
      case .handshake(let code, _, _): code
      case .failed(let failure): failure.closeCode
      case .lost: .abnormal
      }
    }
  }

  package struct Limits: Sendable {
    /// A larger message from the peer fails the connection with 1009.
    package var messageBytesMax: Int
    /// Unsent output beyond this makes sends fail with `outputFull`.
    package var outputBytesMax: Int
    /// Shorter messages are sent as they are, also where compression was agreed on.
    package var compressedBytesMin: Int

    package init(
      messageBytesMax: Int, outputBytesMax: Int, compressedBytesMin: Int = Limits.worthCompressing
    ) {
      self.messageBytesMax = min(max(0, messageBytesMax), 1 << 40)
      self.outputBytesMax = min(max(0, outputBytesMax), 1 << 40)
      // An empty message has nothing to compress, and zlib nothing to flush.
      self.compressedBytesMin = max(1, compressedBytesMin)
    }

    /// Below it compression saves no packet.
    package static let worthCompressing = 1024
  }

  /// Room beside one message of the largest size: for frames that came with it, and for control frames and
  /// headers on the way out.
  private static let slackBytes = 64 * 1024
  /// Pongs that may wait in the output before only the latest ping is remembered (§5.5.3).
  private static let queuedPongBytesMax = 2048

  package private(set) var state = State.open
  /// What the peer sent and nobody has used yet. The handshakes read their heads from the same buffer, so
  /// that frames that arrived together with a head are simply next.
  package var input: ByteBuffer
  /// What waits to be written to the peer. Append frames with the methods below; report writes with
  /// `sent(_:)`.
  package var output: ByteBuffer

  private let role: Role
  private let messageBytesMax: Int
  private var reader: MessageReader
  private var writer: FrameWriter
  private var missing = 1
  private var pongs = PongQueue()
  private var deflater: Deflater?
  private let compressedBytesMin: Int

  package init(role: Role, limits: Limits, masks: consuming MaskSource) {
    self.role = role
    messageBytesMax = limits.messageBytesMax
    compressedBytesMin = limits.compressedBytesMin
    input = ByteBuffer(bytesMax: limits.messageBytesMax + Self.slackBytes)
    output = ByteBuffer(bytesMax: limits.outputBytesMax + Self.slackBytes)
    reader = MessageReader(role: role, messageBytesMax: limits.messageBytesMax)
    writer = FrameWriter(role: role, masks: masks)
  }

  /// permessage-deflate was agreed on in the handshake (RFC 7692). Call it before the first frame is read or
  /// written.
  package mutating func useDeflate(_ parameters: DeflateParameters) {
    reader.allowCompression(parameters)
    let context = parameters.context(sentBy: role)
    deflater = Deflater(
      role: role, windowBits: context.windowBits, keepsContext: context.isTakenOver)
  }

  /// A pattern, not `==`: comparing the states would look into the ending's strings.
  private var isOpen: Bool { if case .open = state { true } else { false } }

  // MARK: Receiving

  /// Memory for the next read: at least `chunk` bytes for small traffic, and growing with a large message
  /// as its bytes arrive, not as its header announces them. Report what was read with `input.commit(_:)`.
  package mutating func prepareRead(
    chunk: Int
  ) throws(BufferFull) -> UnsafeMutableRawBufferPointer {
    try input.reserve(min(max(missing, chunk), max(chunk, input.count)))
  }

  /// The next message or pong. Call until it answers `needMore` or `closed`. Pings are answered here.
  package mutating func next() -> Event {
    if case .closed = state { return .closed }
    while true {
      switch reader.next(&input) {
      case .needMore(let bytes):
        missing = bytes
        return .needMore(bytes)
      case .text(let message): return .text(message)
      case .binary(let message): return .binary(message)
      case .pong(let payload): return .pong(payload)
      case .ping(let payload): answer(ping: payload)
      case .close(let code, let reason):
        peerClosed(code, String(decoding: reason, as: UTF8.self))
        return .closed
      case .failure(let failure):
        fail(failure)
        return .closed
      }
    }
  }

  /// The peer ended its half of the stream. Call `next()` until `needMore` first: messages may still be in
  /// the input.
  package mutating func receiveEOF() {
    switch state {
    case .open: state = .closed(.lost(afterOurClose: false))
    case .closing: state = .closed(.lost(afterOurClose: true))
    case .closed: break
    }
  }

  private mutating func peerClosed(_ code: CloseCode?, _ reason: String) {
    let startedByPeer: Bool
    switch state {
    case .open:
      startedByPeer = true
      // §5.5.1: the answer echoes the code. Without room or randomness for it, the end of the TCP
      // connection answers.
      try? writer.writeClose(code, reason: "", to: &output)
    case .closing: startedByPeer = false
    case .closed: return
    }
    pongs.clear()
    state = .closed(
      .handshake(code: code ?? .noStatus, reason: reason, startedByPeer: startedByPeer))
  }

  private mutating func fail(_ failure: ProtocolFailure) {
    switch state {
    case .open:
      // The peer learns the reason if it can be written; the connection is failed in any case (§7.1.7).
      try? writer.writeClose(failure.closeCode, reason: failure.description, to: &output)
    case .closing: break
    case .closed: return
    }
    pongs.clear()
    state = .closed(.failed(failure))
  }

  // MARK: Sending

  /// Queues a text message as one frame; it must be valid UTF-8 (§5.6, §8.1).
  package mutating func sendText(_ payload: UnsafeRawBufferPointer) throws(SendError) {
    guard isOpen else { throw .notOpen }
    guard UTF8Validator.isValid(payload) else { throw .invalidUTF8 }
    try sendMessage(.text, payload)
  }

  package mutating func sendBinary(_ payload: UnsafeRawBufferPointer) throws(SendError) {
    try sendMessage(.binary, payload)
  }

  /// Queues a ping of at most 125 bytes.
  package mutating func sendPing(_ payload: UnsafeRawBufferPointer) throws(SendError) {
    try send(.ping, payload)
  }

  private mutating func send(
    _ opcode: Opcode, _ payload: UnsafeRawBufferPointer
  ) throws(SendError) {
    guard isOpen else { throw .notOpen }
    try writer.write(opcode, payload, to: &output)
  }

  @inline(__always)
  private mutating func sendMessage(
    _ opcode: Opcode, _ payload: UnsafeRawBufferPointer
  ) throws(SendError) {
    guard payload.count >= compressedBytesMin, let deflater else {
      return try send(opcode, payload)
    }
    try sendCompressed(opcode, payload, deflater)
  }

  private mutating func sendCompressed(
    _ opcode: Opcode, _ payload: UnsafeRawBufferPointer, _ deflater: Deflater
  ) throws(SendError) {
    guard isOpen else { throw .notOpen }
    guard payload.count <= output.bytesMax else {
      throw .outputFull(limitBytes: output.bytesMax)
    }
    guard let compressed = deflater.compress(payload) else { return try send(opcode, payload) }
    // With a context the peer must get what went into it, be it larger.
    guard deflater.keepsContext || compressed.count < payload.count else {
      return try send(opcode, payload)
    }
    do throws(SendError) {
      try writer.write(opcode, compressed, isCompressed: true, to: &output)
    } catch {
      deflater.reset()
      throw error
    }
  }

  /// Begins the closing handshake (§7.1.2). The reason is at most 123 bytes of UTF-8; nil sends an empty
  /// Close.
  package mutating func close(_ code: CloseCode?, reason: String = "") throws(SendError) {
    guard isOpen else { throw .notOpen }
    try writer.writeClose(code, reason: reason, to: &output)
    pongs.clear()
    state = .closing
  }

  /// `count` bytes from the head of `output` were written to the peer.
  package mutating func sent(_ count: Int) {
    pongs.sent(min(count, output.count))
    output.consume(count)
    if let payload = pongs.takeWaiting() {
      payload.withBytes { answer(ping: $0) }
    }
  }

  /// §5.5.2, §5.5.3. A peer that pings and does not read gets at most `queuedPongBytesMax` of pongs queued;
  /// beyond that only its latest ping is kept, to be answered when those have left.
  private mutating func answer(ping payload: UnsafeRawBufferPointer) {
    guard isOpen else { return }
    guard pongs.queuedBytes < Self.queuedPongBytesMax else {
      pongs.waiting = ControlPayload(payload)
      return
    }
    let before = output.count
    do throws(SendError) {
      try writer.write(.pong, payload, to: &output)
      pongs.queued(output.count - before, outputBytes: output.count)
    } catch {
      pongs.waiting = ControlPayload(payload)
    }
  }

  // MARK: Memory

  /// Gives back what an idle connection does not need. Ends the validity of messages handed out. Of
  /// compression there stays, where the context is taken over, the peer's window with zlib's state for it, and
  /// the end of our own window.
  package mutating func shrink() {
    shrinkBuffers()
    deflater?.shrink()
  }

  /// Gives back what is made again in no time, and so may go between two messages.
  package mutating func shrinkBuffers() {
    input.shrink()
    output.shrink()
    reader.shrink()
  }

  package var allocatedBytes: Int { bufferBytes + (deflater?.allocatedBytes ?? 0) }

  package var bufferBytes: Int {
    input.allocatedBytes + output.allocatedBytes + reader.allocatedBytes
  }

  /// The compressor is large, and takes longer to make than to compress what a turn sends.
  package var holdsCompressor: Bool { deflater?.holdsStream ?? false }
}
