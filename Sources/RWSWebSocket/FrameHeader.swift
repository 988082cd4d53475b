/// The first 2–14 bytes of a frame (RFC 6455 §5.2).
struct FrameHeader: Equatable {
  var opcode: Opcode
  var isFinal: Bool
  /// RSV1–3 as bits 2–0. permessage-deflate marks the first frame of a message with RSV1.
  var reservedBits: UInt8 = 0
  var payloadBytes: Int
  /// Set on a client's frames: the little-endian number of the four key bytes.
  var maskingKey: UInt32?

  static let bytesMax = 14
  /// RSV1: the message is compressed (RFC 7692 §6).
  static let compressedBit: UInt8 = 0b100
  static let controlPayloadBytesMax = 125

  enum Parsed: Equatable {
    /// At least so many more bytes are needed.
    case needMore(Int)
    case header(FrameHeader, bytes: Int)
    case failure(ProtocolFailure)
  }

  /// Reads the header at the start of `bytes`. Refuses whatever is wrong in every context for a frame that is
  /// sent to `role`; a byte is judged before the next one is waited for.
  @inline(__always)
  static func parse(
    _ bytes: UnsafeRawBufferPointer, receivedBy role: Role, allowedReservedBits: UInt8
  ) -> Parsed {
    guard let base = bytes.baseAddress, bytes.count > 0 else { return .needMore(2) }
    let first = base.load(as: UInt8.self)
    let reservedBits = (first >> 4) & 0x7
    guard reservedBits & ~allowedReservedBits == 0 else {
      return .failure(.reservedBits(reservedBits))
    }
    guard let opcode = Opcode(rawValue: first & 0xF) else {
      return .failure(.reservedOpcode(first & 0xF))
    }
    let isFinal = first & 0x80 != 0
    guard isFinal || !opcode.isControl else { return .failure(.fragmentedControlFrame) }

    guard bytes.count > 1 else { return .needMore(1) }
    let second = base.load(fromByteOffset: 1, as: UInt8.self)
    let isMasked = second & 0x80 != 0
    switch role {
    case .server: guard isMasked else { return .failure(.unmaskedFrameFromClient) }
    case .client: guard !isMasked else { return .failure(.maskedFrameFromServer) }
    }
    let shortLength = Int(second & 0x7F)
    guard shortLength <= controlPayloadBytesMax || !opcode.isControl else {
      return .failure(.oversizedControlFrame)
    }

    let lengthBytes = shortLength < 126 ? 0 : shortLength == 126 ? 2 : 8
    let headerBytes = 2 + lengthBytes + (isMasked ? 4 : 0)
    guard bytes.count >= headerBytes else { return .needMore(headerBytes - bytes.count) }
    var payloadBytes = shortLength
    if lengthBytes == 2 {
      let length = base.loadUnaligned(fromByteOffset: 2, as: UInt16.self).bigEndian
      guard length >= 126 else { return .failure(.nonMinimalLength) }
      payloadBytes = Int(length)
    } else if lengthBytes == 8 {
      let length = base.loadUnaligned(fromByteOffset: 2, as: UInt64.self).bigEndian
      guard let inRange = Int(exactly: length) else { return .failure(.lengthOutOfRange) }
      guard inRange > 0xFFFF else { return .failure(.nonMinimalLength) }
      payloadBytes = inRange
    }
    var header = FrameHeader(
      opcode: opcode, isFinal: isFinal, reservedBits: reservedBits, payloadBytes: payloadBytes)
    if isMasked {
      header.maskingKey = UInt32(
        littleEndian: base.loadUnaligned(fromByteOffset: headerBytes - 4, as: UInt32.self))
    }
    return .header(header, bytes: headerBytes)
  }

  /// How many bytes `write(to:)` writes.
  var encodedBytes: Int {
    2 + (payloadBytes < 126 ? 0 : payloadBytes <= 0xFFFF ? 2 : 8) + (maskingKey == nil ? 0 : 4)
  }

  /// Writes the header with the shortest length form to memory of at least `encodedBytes` bytes.
  func write(to target: UnsafeMutableRawPointer) {
    let first = (isFinal ? 0x80 : 0) | (reservedBits << 4) | opcode.rawValue
    let maskBit: UInt8 = maskingKey == nil ? 0 : 0x80
    target.storeBytes(of: first, as: UInt8.self)
    var at = 2
    if payloadBytes < 126 {
      target.storeBytes(
        of: maskBit | UInt8(truncatingIfNeeded: payloadBytes), toByteOffset: 1, as: UInt8.self)
    } else if payloadBytes <= 0xFFFF {
      target.storeBytes(of: maskBit | 126, toByteOffset: 1, as: UInt8.self)
      target.storeBytes(
        of: UInt16(truncatingIfNeeded: payloadBytes).bigEndian, toByteOffset: 2, as: UInt16.self)
      at = 4
    } else {
      target.storeBytes(of: maskBit | 127, toByteOffset: 1, as: UInt8.self)
      target.storeBytes(
        of: UInt64(truncatingIfNeeded: payloadBytes).bigEndian, toByteOffset: 2, as: UInt64.self)
      at = 10
    }
    if let maskingKey {
      target.storeBytes(of: maskingKey.littleEndian, toByteOffset: at, as: UInt32.self)
    }
  }
}
