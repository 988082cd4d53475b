/// Takes messages out of a connection's input (RFC 6455 §5), for either role.
///
///   header ──parsed──▶ payload ──complete──▶ header      a broken rule, anywhere ──▶ failed
///
/// An unfragmented message is handed out where it lies in the input, unmasked in place; the fragments of a
/// fragmented one are moved into `assembly` as they arrive, and control frames may come between them (§5.4).
/// What is handed out stays valid until the next call or the next change of the input.
///
/// permessage-deflate (RFC 7692) will enter at two places: `allowedReservedBits` becomes the negotiated
/// state's answer, and a message whose first frame had RSV1 goes through `assembly` and the inflater before
/// `accept`.
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
    /// message is unfragmented, else in `assembly`.
    case payload(FrameHeader, seen: Int)
    case failed(ProtocolFailure)
  }

  /// Frames of a message that began without FIN.
  private enum Fragments {
    case none
    case of(Opcode)
  }

  private let role: Role
  private let messageBytesMax: Int
  private let allowedReservedBits: UInt8 = 0
  private var state = State.header
  private var fragments = Fragments.none
  private var assembly: ByteBuffer
  private var utf8 = UTF8Validator()

  package init(role: Role, messageBytesMax: Int) {
    self.role = role
    self.messageBytesMax = max(0, messageBytesMax)
    assembly = ByteBuffer(bytesMax: messageBytesMax)
  }

  /// Memory held for fragmented messages.
  package var allocatedBytes: Int { assembly.allocatedBytes }

  /// Gives back the memory of past fragmented messages. Ends the validity of what was handed out.
  package mutating func shrink() {
    assembly.shrink()
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
    switch header.opcode {
    case .close, .ping, .pong: return nil
    case .text, .binary:
      if case .of = fragments { return .newMessageInsideFragmented }
    case .continuation:
      if case .none = fragments { return .continuationWithoutStart }
    }
    guard header.payloadBytes <= messageBytesMax &- assembly.count else {
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
      guard header.isFinal else { return readFragment(header, seen: seen, &input) }
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

  /// Moves what is there of one frame of a fragmented message into `assembly`.
  private mutating func readFragment(
    _ header: FrameHeader, seen: Int, _ input: inout ByteBuffer
  ) -> Step? {
    let opcode: Opcode
    switch fragments {
    case .of(let started): opcode = started
    case .none:
      opcode = header.opcode
      fragments = .of(opcode)
    }
    let available = min(input.count, header.payloadBytes &- seen)
    let part = UnsafeMutableRawBufferPointer(rebasing: input.mutableBytes[..<available])
    if let key = header.maskingKey { Masking.apply(key: key, offset: seen, to: part) }
    if opcode == .text, !utf8.accept(UnsafeRawBufferPointer(part)) { return fail(.invalidUTF8) }
    do throws(BufferFull) {
      try assembly.append(UnsafeRawBufferPointer(part))
    } catch {
      return fail(.messageTooBig(limitBytes: messageBytesMax))
    }
    input.consume(available)
    guard seen &+ available == header.payloadBytes else {
      return wait(header, seen: seen &+ available)
    }
    state = .header
    return header.isFinal ? finishFragments(of: opcode) : nil
  }

  private mutating func finishFragments(of opcode: Opcode) -> Step {
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
