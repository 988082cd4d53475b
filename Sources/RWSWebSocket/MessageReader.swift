/// Takes messages out of a connection's input (RFC 6455 §5), for either role.
///
///   header ──parsed──▶ payload ──complete──▶ header      a broken rule, anywhere ──▶ failed
///
/// An unfragmented message is handed out where it lies in the input, unmasked in place; the fragments of a
/// fragmented one are moved into `assembly` as they arrive, and control frames may come between them (§5.4).
/// What is handed out stays valid until the next call or the next change of the input.
///
/// A compressed message (RFC 7692 §6), in one frame or more, is inflated into `assembly` as its bytes arrive:
/// what is wrong with its text is seen as early as without compression.
package struct MessageReader: ~Copyable {
  package enum Step {
    /// Nothing whole is there; so many more bytes are missing at least (a hint for how much to read).
    case needMore(Int)
    case text(UnsafeRawBufferPointer)
    case binary(UnsafeRawBufferPointer)
    case ping(UnsafeRawBufferPointer)
    case pong(UnsafeRawBufferPointer)
    /// The reason is valid UTF-8. No code means that the Close frame was empty (1005 to the application).
    case close(CloseCode?, reason: UnsafeRawBufferPointer)
    /// Nothing is read any more; every later call answers the same.
    case failure(ProtocolFailure)
  }

  private enum State {
    case header
    /// `seen` bytes of the payload are unmasked and validated already. They are still in the input if the
    /// message is unfragmented and not compressed, else in `assembly`.
    case payload(FrameHeader, seen: Int)
    case failed(ProtocolFailure)
  }

  /// What `assembly` gathers: frames of a message that began without FIN, or was compressed.
  private enum Fragments {
    case none
    case of(Opcode)
    case compressed(Opcode)
  }

  private let role: Role
  private let messageBytesMax: Int
  private var allowedReservedBits: UInt8 = 0
  private var inflater: Inflater?
  private var state = State.header
  private var fragments = Fragments.none
  private var assembly: ByteBuffer
  private var utf8 = UTF8Validator()

  package init(role: Role, messageBytesMax: Int) {
    self.role = role
    self.messageBytesMax = min(max(0, messageBytesMax), 1 << 40)
    // One more: the byte that shows that an inflated message is too long.
    assembly = ByteBuffer(bytesMax: self.messageBytesMax + 1)
  }

  /// permessage-deflate was agreed on: the peer may compress its messages. Before the first frame is read.
  package mutating func allowCompression(_ parameters: DeflateParameters) {
    let context = parameters.context(sentBy: role.peer)
    inflater = Inflater(windowBits: context.windowBits, keepsContext: context.isTakenOver)
    allowedReservedBits = FrameHeader.compressedBit
  }

  /// Memory held for fragmented and compressed messages.
  package var allocatedBytes: Int { assembly.allocatedBytes + (inflater?.allocatedBytes ?? 0) }

  /// Gives back the memory of past messages, but for a window that the next may refer to. Ends the validity
  /// of what was handed out.
  package mutating func shrink() {
    assembly.shrink()
    inflater?.shrink()
  }

  package mutating func next(_ input: inout ByteBuffer) -> Step {
    while true {
      let step: Step?
      switch state {
      case .header: step = readHeader(&input)
      case .payload(let header, let seen): step = readPayload(header, seen: seen, &input)
      case .failed(let failure): return .failure(failure)
      }
      if let step { return step }
    }
  }

  /// nil: go on, in the state that was set.
  @inline(__always)
  private mutating func readHeader(_ input: inout ByteBuffer) -> Step? {
    let parsed = FrameHeader.parse(
      input.bytes, receivedBy: role, allowedReservedBits: allowedReservedBits)
    switch parsed {
    case .needMore(let bytes): return .needMore(bytes)
    case .failure(let failure): return fail(failure)
    case .header(let header, let bytes):
      if let failure = violation(of: header) { return fail(failure) }
      input.consume(bytes)
      return readPayload(header, seen: 0, &input)
    }
  }

  /// What only the frames before this one, or the limit, make wrong. Checked before any memory is taken.
  @inline(__always)
  private func violation(of header: FrameHeader) -> ProtocolFailure? {
    let isCompressed: Bool
    switch (header.opcode, fragments) {
    case (.close, _), (.ping, _), (.pong, _):
      // RFC 7692 §6.1: only the first frame of a message has RSV1.
      return header.reservedBits == 0 ? nil : .reservedBits(header.reservedBits)
    case (.text, .none), (.binary, .none): isCompressed = header.reservedBits != 0
    case (.text, _), (.binary, _): return .newMessageInsideFragmented
    case (.continuation, .none): return .continuationWithoutStart
    case (.continuation, .of), (.continuation, .compressed):
      guard header.reservedBits == 0 else { return .reservedBits(header.reservedBits) }
      if case .compressed = fragments { isCompressed = true } else { isCompressed = false }
    }
    // What cannot be compressed grows by 5 bytes in 16 KiB at most.
    let bytesMax =
      isCompressed
      ? messageBytesMax &+ (messageBytesMax >> 10 &+ 64) : messageBytesMax &- assembly.count
    guard header.payloadBytes <= bytesMax else {
      return .messageTooBig(limitBytes: messageBytesMax)
    }
    return nil
  }

  @inline(__always)
  private mutating func readPayload(
    _ header: FrameHeader, seen: Int, _ input: inout ByteBuffer
  ) -> Step? {
    switch header.opcode {
    case .close, .ping, .pong: return readControl(header, seen: seen, &input)
    case .continuation: return readFragment(header, seen: seen, &input)
    case .text, .binary:
      guard header.isFinal, header.reservedBits == 0 else {
        return readFragment(header, seen: seen, &input)
      }
      return readWhole(header, seen: seen, &input)
    }
  }

  @inline(__always)
  private mutating func readWhole(
    _ header: FrameHeader, seen: Int, _ input: inout ByteBuffer
  ) -> Step? {
    let payload = unmaskPayload(header, seen: seen, input)
    if header.opcode == .text,
      !utf8.accept(UnsafeRawBufferPointer(rebasing: payload[seen...]))
    {
      return fail(.invalidUTF8)
    }
    guard payload.count == header.payloadBytes else {
      return wait(header, seen: payload.count)
    }
    guard utf8.isComplete else { return fail(.invalidUTF8) }
    state = .header
    input.consume(payload.count)
    return header.opcode == .text ? .text(payload) : .binary(payload)
  }

  private mutating func readControl(
    _ header: FrameHeader, seen: Int, _ input: inout ByteBuffer
  ) -> Step? {
    let payload = unmaskPayload(header, seen: seen, input)
    guard payload.count == header.payloadBytes else {
      return wait(header, seen: payload.count)
    }
    state = .header
    input.consume(payload.count)
    switch header.opcode {
    case .ping: return .ping(payload)
    case .pong: return .pong(payload)
    case .close, .continuation, .text, .binary: return readClose(payload)
    }
  }

  private mutating func readClose(_ payload: UnsafeRawBufferPointer) -> Step {
    guard payload.count > 0 else { return .close(nil, reason: payload) }
    guard payload.count > 1 else { return fail(.closePayloadOfOneByte) }
    let code = CloseCode(rawValue: UInt16(payload[0]) << 8 | UInt16(payload[1]))
    guard code.isAllowedOnWire else { return fail(.invalidCloseCode(code.rawValue)) }
    let reason = UnsafeRawBufferPointer(rebasing: payload[2...])
    guard UTF8Validator.isValid(reason) else { return fail(.invalidUTF8InCloseReason) }
    return .close(code, reason: reason)
  }

  /// Moves what is there of one frame of a fragmented or compressed message into `assembly`.
  private mutating func readFragment(
    _ header: FrameHeader, seen: Int, _ input: inout ByteBuffer
  ) -> Step? {
    if case .none = fragments {
      fragments = header.reservedBits == 0 ? .of(header.opcode) : .compressed(header.opcode)
    }
    let available = min(input.count, header.payloadBytes &- seen)
    let part = UnsafeMutableRawBufferPointer(rebasing: input.mutableBytes[..<available])
    if let key = header.maskingKey { Masking.apply(key: key, offset: seen, to: part) }
    if let failure = assemble(UnsafeRawBufferPointer(part)) { return fail(failure) }
    input.consume(available)
    guard seen &+ available == header.payloadBytes else {
      return wait(header, seen: seen &+ available)
    }
    state = .header
    return header.isFinal ? finishFragments() : nil
  }

  private mutating func assemble(_ part: UnsafeRawBufferPointer) -> ProtocolFailure? {
    switch fragments {
    case .none: return nil
    case .compressed(let opcode): return inflate(part, isText: opcode == .text)
    case .of(let opcode):
      if opcode == .text, !utf8.accept(part) { return .invalidUTF8 }
      do throws(BufferFull) {
        try assembly.append(part)
        return nil
      } catch {
        return .messageTooBig(limitBytes: messageBytesMax)
      }
    }
  }

  /// In steps of at most 64 KiB, each validated while it is in the cache and judged before more memory is taken.
  private mutating func inflate(
    _ part: UnsafeRawBufferPointer, isText: Bool
  ) -> ProtocolFailure? {
    guard let inflater, !part.isEmpty else { return nil }
    var rest = part
    do throws(ProtocolFailure) {
      while true {
        let room = try inflationRoom(for: rest.count)
        let (count, failure) = try inflater.inflate(&rest, into: room)
        let inflated = UnsafeRawBufferPointer(rebasing: room[..<count])
        if isText, !utf8.accept(inflated) { return .invalidUTF8 }
        assembly.commit(count)
        guard assembly.count <= messageBytesMax else {
          return .messageTooBig(limitBytes: messageBytesMax)
        }
        guard !inflater.isOverdrawn(inflatedBytes: assembly.count) else {
          return .overdrawnCompression
        }
        if let failure { return failure }
        if rest.isEmpty, count < room.count { return nil }
      }
    } catch {
      return error
    }
  }

  private static let inflationStepBytes = 64 << 10

  private mutating func inflationRoom(
    for compressedBytes: Int
  ) throws(ProtocolFailure) -> UnsafeMutableRawBufferPointer {
    let bytesMax = min(messageBytesMax &+ 1 &- assembly.count, Self.inflationStepBytes)
    let expected = min(compressedBytes, Self.inflationStepBytes) &* 4
    do throws(BufferFull) {
      let room = try assembly.reserve(min(max(expected, 256), bytesMax))
      return UnsafeMutableRawBufferPointer(rebasing: room.prefix(bytesMax))
    } catch {
      throw .messageTooBig(limitBytes: messageBytesMax)
    }
  }

  private mutating func finishInflating(isText: Bool) -> ProtocolFailure? {
    guard let inflater else { return nil }
    if inflater.lacksTail {
      let failure = withUnsafeBytes(of: Inflater.tail) { inflate($0, isText: isText) }
      if let failure { return failure }
    }
    do throws(ProtocolFailure) {
      try inflater.finishMessage()
      return nil
    } catch {
      return error
    }
  }

  private mutating func finishFragments() -> Step? {
    let opcode: Opcode
    switch fragments {
    case .none: return nil
    case .of(let started): opcode = started
    case .compressed(let started):
      opcode = started
      if let failure = finishInflating(isText: opcode == .text) { return fail(failure) }
    }
    guard utf8.isComplete else { return fail(.invalidUTF8) }
    fragments = .none
    let message = assembly.bytes
    assembly.consume(message.count)
    return opcode == .text ? .text(message) : .binary(message)
  }

  /// The part of the payload that is in the input, all of it unmasked.
  @inline(__always)
  private func unmaskPayload(
    _ header: FrameHeader, seen: Int, _ input: borrowing ByteBuffer
  ) -> UnsafeRawBufferPointer {
    let available = min(input.count, header.payloadBytes)
    let payload = UnsafeMutableRawBufferPointer(rebasing: input.mutableBytes[..<available])
    if let key = header.maskingKey {
      Masking.apply(
        key: key, offset: seen, to: UnsafeMutableRawBufferPointer(rebasing: payload[seen...]))
    }
    return UnsafeRawBufferPointer(payload)
  }

  private mutating func wait(_ header: FrameHeader, seen: Int) -> Step {
    state = .payload(header, seen: seen)
    return .needMore(header.payloadBytes &- seen)
  }

  private mutating func fail(_ failure: ProtocolFailure) -> Step {
    state = .failed(failure)
    return .failure(failure)
  }
}
