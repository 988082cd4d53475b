/// Why a frame was not written. Nothing of it is in the output then.
package enum SendError: Error, Equatable, Sendable {
  /// The closing handshake has begun or the connection has ended (RFC 6455 §5.5.1).
  case notOpen
  /// The unsent output would pass its limit: write some of it to the peer first, or send less.
  case outputFull(limitBytes: Int)
  case randomnessUnavailable
  case invalidUTF8
  case controlPayloadTooLong
  case invalidCloseCode(CloseCode)
}

extension SendError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notOpen: "the connection is closing or closed; open a new one"
    case .outputFull(let limit):
      "more than \(limit) bytes would be waiting to be sent; wait until some have left, or send less"
    case .randomnessUnavailable: "the system gave no random bytes for a masking key"
    case .invalidUTF8: "a text message must be valid UTF-8; send it as binary or repair it"
    case .controlPayloadTooLong: "a ping, pong or close reason is too long for a control frame"
    case .invalidCloseCode(let code): "\(code) must not be sent as a close code"
    }
  }
}

/// Writes frames to a connection's output (RFC 6455 §5.2, §5.3). The payload is copied once, and masked by
/// the same pass in the client role.
package struct FrameWriter: ~Copyable {
  private let role: Role
  private var masks: MaskSource

  package init(role: Role, masks: consuming MaskSource) {
    self.role = role
    self.masks = masks
  }

  package mutating func write(
    _ opcode: Opcode, _ payload: UnsafeRawBufferPointer, isFinal: Bool = true,
    isCompressed: Bool = false, to output: inout ByteBuffer
  ) throws(SendError) {
    guard !opcode.isControl || payload.count <= FrameHeader.controlPayloadBytesMax else {
      throw .controlPayloadTooLong
    }
    var header = FrameHeader(
      opcode: opcode, isFinal: isFinal,
      reservedBits: isCompressed ? FrameHeader.compressedBit : 0, payloadBytes: payload.count)
    switch role {
    case .client: header.maskingKey = try nextKey()
    case .server: break
    }
    let room = try reserve(header.encodedBytes, payload.count, in: &output)
    guard let target = room.baseAddress else { return }
    header.write(to: target)
    if let source = payload.baseAddress {
      let place = target + header.encodedBytes
      if let key = header.maskingKey {
        Masking.copy(from: source, to: place, count: payload.count, key: key)
      } else {
        place.copyMemory(from: source, byteCount: payload.count)
      }
    }
    output.commit(header.encodedBytes + payload.count)
  }

  /// A Close frame (§5.5.1). A reason needs a code; without one the frame is empty.
  package mutating func writeClose(
    _ code: CloseCode?, reason: String, to output: inout ByteBuffer
  ) throws(SendError) {
    guard let code else {
      return try write(.close, UnsafeRawBufferPointer(start: nil, count: 0), to: &output)
    }
    guard code.isAllowedOnWire else { throw .invalidCloseCode(code) }
    let payload = [UInt8(code.rawValue >> 8), UInt8(code.rawValue & 0xFF)] + Array(reason.utf8)
    try payload.withRawBytes { bytes throws(SendError) in
      try write(.close, bytes, to: &output)
    }
  }

  private mutating func nextKey() throws(SendError) -> UInt32 {
    do throws(RandomnessUnavailable) {
      return try masks.next()
    } catch {
      throw .randomnessUnavailable
    }
  }

  private func reserve(
    _ header: Int, _ payload: Int, in output: inout ByteBuffer
  ) throws(SendError) -> UnsafeMutableRawBufferPointer {
    guard payload <= output.bytesMax else { throw .outputFull(limitBytes: output.bytesMax) }
    do throws(BufferFull) {
      return try output.reserve(header + payload)
    } catch {
      throw .outputFull(limitBytes: error.limitBytes)
    }
  }
}
