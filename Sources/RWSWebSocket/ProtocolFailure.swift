/// How the peer broke RFC 6455. Trivial on purpose: it travels inside `MessageReader.Step`.
package enum ProtocolFailure: Error, Equatable, Sendable {
  case reservedBits(UInt8)
  case reservedOpcode(UInt8)
  case fragmentedControlFrame
  case oversizedControlFrame
  case unmaskedFrameFromClient
  case maskedFrameFromServer
  case nonMinimalLength
  case lengthOutOfRange
  case messageTooBig(limitBytes: Int)
  case continuationWithoutStart
  case newMessageInsideFragmented
  case closePayloadOfOneByte
  case invalidCloseCode(UInt16)
  case invalidUTF8
  case invalidUTF8InCloseReason
  case invalidCompressedData
  case overdrawnCompression
  /// Not the peer's fault: zlib got no memory.
  case inflaterUnavailable

  /// The status to put into the Close frame that answers the failure (§7.1.7, §7.4.1).
  package var closeCode: CloseCode {
    switch self {
    case .reservedBits, .reservedOpcode, .fragmentedControlFrame, .oversizedControlFrame,
      .unmaskedFrameFromClient, .maskedFrameFromServer, .nonMinimalLength, .lengthOutOfRange,
      .continuationWithoutStart, .newMessageInsideFragmented, .closePayloadOfOneByte,
      .invalidCloseCode:
      .protocolError
    case .messageTooBig, .overdrawnCompression: .messageTooBig
    case .invalidUTF8, .invalidUTF8InCloseReason, .invalidCompressedData: .invalidPayload
    case .inflaterUnavailable: .internalError
    }
  }
}

extension ProtocolFailure: CustomStringConvertible {
  /// One sentence naming the rule. ASCII and at most 123 bytes, so that it fits a Close frame's reason.
  package var description: String {
    switch self {
    case .reservedBits(let bits):
      "reserved bits (\(bits)) set where no agreed extension has them (RFC 6455 section 5.2)"
    case .reservedOpcode(let code): "reserved opcode \(code) (RFC 6455 section 5.2)"
    case .fragmentedControlFrame: "a control frame was fragmented (RFC 6455 section 5.5)"
    case .oversizedControlFrame:
      "a control frame carries more than 125 bytes (RFC 6455 section 5.5)"
    case .unmaskedFrameFromClient: "the client sent an unmasked frame (RFC 6455 section 5.1)"
    case .maskedFrameFromServer: "the server sent a masked frame (RFC 6455 section 5.1)"
    case .nonMinimalLength:
      "a payload length is not in its shortest form (RFC 6455 section 5.2)"
    case .lengthOutOfRange:
      "a 64-bit payload length has its highest bit set (RFC 6455 section 5.2)"
    case .messageTooBig(let limit):
      "the message is larger than the limit of \(limit) bytes (RFC 6455 section 10.4)"
    case .continuationWithoutStart:
      "a continuation frame without a message to continue (RFC 6455 section 5.4)"
    case .newMessageInsideFragmented:
      "a new message began inside a fragmented one (RFC 6455 section 5.4)"
    case .closePayloadOfOneByte: "a Close frame carries one byte (RFC 6455 section 5.5.1)"
    case .invalidCloseCode(let code):
      "a Close frame carries the code \(code), which must not be sent (RFC 6455 section 7.4)"
    case .invalidUTF8: "a text message is not valid UTF-8 (RFC 6455 section 8.1)"
    case .invalidUTF8InCloseReason:
      "the reason of a Close frame is not valid UTF-8 (RFC 6455 section 5.5.1)"
    case .invalidCompressedData:
      "a compressed message is no valid DEFLATE data, or is cut off (RFC 7692 section 7.2.2)"
    case .overdrawnCompression:
      "a compressed message grows more than \(Inflater.ratioMax)-fold (RFC 7692 section 8)"
    case .inflaterUnavailable: "no memory for decompression"
    }
  }
}
