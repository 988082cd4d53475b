import Testing

@testable import RWSWebSocket

/// Each case is read whole, cut in two at each byte, and byte by byte (see `expect`).
@Suite struct MessageReaderTests {
  // MARK: §5.6 data frames

  @Test("RFC 6455 §5.7: the examples of the specification")
  func examples() {
    expect([0x81, 0x05] + Array("Hello".utf8), to: .client, isHeardAs: [.text("Hello")])
    expect(
      [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58], to: .server,
      isHeardAs: [.text("Hello")])
    expect(
      [0x01, 0x03] + Array("Hel".utf8) + [0x80, 0x02] + Array("lo".utf8), to: .client,
      isHeardAs: [.text("Hello")])
    expect(
      [0x89, 0x05] + Array("Hello".utf8), to: .client, isHeardAs: [.ping(Array("Hello".utf8))])
  }

  @Test(
    "RFC 6455 §5.2: every length form, both roles",
    arguments: [0, 1, 125, 126, 127, 128, 65_535, 65_536, 70_001])
  func lengths(_ count: Int) {
    let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 13) }
    expect(frame(2, payload), to: .client, isHeardAs: [.binary(payload)])
    expect(frame(2, payload, mask: maskKey), to: .server, isHeardAs: [.binary(payload)])
  }

  @Test("messages that arrive together come one after the other")
  func coalesced() {
    let text = "grüße, 世界 😀"
    let bytes = frame(1, Array(text.utf8)) + frame(2, [0, 255]) + frame(0xA, [1]) + frame(1)
    expect(
      bytes, to: .client, isHeardAs: [.text(text), .binary([0, 255]), .pong([1]), .text("")])
  }

  @Test("an unfragmented message is handed out where it lies, in both roles")
  func inPlace() throws {
    for role in [Role.client, .server] {
      var reader = MessageReader(role: role, messageBytesMax: 1000)
      var input = ByteBuffer(bytesMax: 1000)
      try input.append(frame(1, Array("abc".utf8), mask: role == .server ? maskKey : nil))
      let end = input.bytes.baseAddress.map { $0 + input.count }
      guard case .text(let message) = reader.next(&input) else {
        Issue.record("no message")
        return
      }
      #expect(message.baseAddress.map { $0 + message.count } == end)
      #expect(Array(message) == Array("abc".utf8))
      expectSame(reader.allocatedBytes, 0)
    }
  }

  // MARK: §5.1, §5.2 headers

  @Test("RFC 6455 §5.1: a client must mask")
  func unmasked() {
    expect(frame(1, [0x61]), to: .server, isHeardAs: [.failure(.unmaskedFrameFromClient)])
  }

  @Test("RFC 6455 §5.1: a server must not mask")
  func masked() {
    expect(
      frame(1, [0x61], mask: maskKey), to: .client, isHeardAs: [.failure(.maskedFrameFromServer)])
  }

  @Test("RFC 6455 §5.2: reserved bits fail without an extension", arguments: UInt8(1)...7)
  func reservedBits(_ bits: UInt8) {
    expect(frame(1, [0x61], rsv: bits), to: .client, isHeardAs: [.failure(.reservedBits(bits))])
    expect(frame(9, rsv: bits), to: .client, isHeardAs: [.failure(.reservedBits(bits))])
  }

  @Test(
    "RFC 6455 §5.2: reserved opcodes fail",
    arguments: [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] as [UInt8])
  func reservedOpcodes(_ opcode: UInt8) {
    expect(frame(opcode), to: .client, isHeardAs: [.failure(.reservedOpcode(opcode))])
    expect(
      frame(1, [0x61]) + frame(opcode, [1]), to: .client,
      isHeardAs: [.text("a"), .failure(.reservedOpcode(opcode))])
  }

  @Test("RFC 6455 §5.2: a length must have its shortest form")
  func nonMinimalLengths() {
    let short = [UInt8](repeating: 0x61, count: 125)
    let medium = [UInt8](repeating: 0x61, count: 65_535)
    expect(frame(1, short, lengthBytes: 2), to: .client, isHeardAs: [.failure(.nonMinimalLength)])
    expect(frame(1, short, lengthBytes: 8), to: .client, isHeardAs: [.failure(.nonMinimalLength)])
    expect(frame(1, medium, lengthBytes: 8), to: .client, isHeardAs: [.failure(.nonMinimalLength)])
    expect(
      frame(1, [], mask: maskKey, lengthBytes: 2), to: .server,
      isHeardAs: [.failure(.nonMinimalLength)])
  }

  @Test("RFC 6455 §5.2: the highest bit of a 64-bit length must be 0")
  func lengthOutOfRange() {
    let header: [UInt8] = [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 1]
    expect(header, to: .client, isHeardAs: [.failure(.lengthOutOfRange)])
    expect(
      [0x82, 127] + [UInt8](repeating: 0xFF, count: 8), to: .client,
      isHeardAs: [.failure(.lengthOutOfRange)])
  }

  // MARK: §10.4 limits

  @Test("RFC 6455 §10.4: a message over the limit fails when its header is known")
  func tooBig() {
    let limit = ProtocolFailure.messageTooBig(limitBytes: 300)
    expect(
      Array(frame(2, [UInt8](repeating: 1, count: 301)).prefix(4)), to: .client,
      messageBytesMax: 300, isHeardAs: [.failure(limit)])
    let whole = [UInt8](repeating: 1, count: 300)
    expect(frame(2, whole), to: .client, messageBytesMax: 300, isHeardAs: [.binary(whole)])
    expect(
      [0x82, 127, 0x7F] + [UInt8](repeating: 0xFF, count: 7), to: .client, messageBytesMax: 300,
      isHeardAs: [.failure(limit)])
  }

  @Test("RFC 6455 §10.4: the fragments of a message count together")
  func fragmentsTooBig() {
    let half = [UInt8](repeating: 1, count: 150)
    expect(
      frame(2, half, fin: false) + frame(0, half, fin: false) + frame(0), to: .client,
      messageBytesMax: 300, isHeardAs: [.binary(half + half)])
    expect(
      frame(2, half, fin: false) + frame(0, half, fin: false) + frame(0, [1]), to: .client,
      messageBytesMax: 300, isHeardAs: [.failure(.messageTooBig(limitBytes: 300))])
  }

  @Test("a limit of nothing lets empty messages and control frames through")
  func limitOfNothing() {
    expect(
      frame(1) + frame(9, [1, 2]) + frame(1, [0x61]), to: .client, messageBytesMax: 0,
      isHeardAs: [.text(""), .ping([1, 2]), .failure(.messageTooBig(limitBytes: 0))])
  }

  // MARK: §5.4 fragmentation

  @Test("RFC 6455 §5.4: fragments make one message; control frames may come between them")
  func fragments() {
    for role in [Role.client, .server] {
      let mask = role == .server ? maskKey : nil
      let bytes =
        frame(1, Array("Hä".utf8.prefix(2)), fin: false, mask: mask)
        + frame(9, [1], mask: mask)
        + frame(0, Array("ä".utf8.suffix(1)), fin: false, mask: mask)
        + frame(0, [], fin: false, mask: mask)
        + frame(0xA, [2], mask: mask)
        + frame(0, Array("l".utf8), mask: mask)
        + frame(2, [3], fin: false, mask: mask) + frame(0, [4, 5], mask: mask)
        + frame(1, Array("x".utf8), mask: mask)
      expect(
        bytes, to: role,
        isHeardAs: [.ping([1]), .pong([2]), .text("Häl"), .binary([3, 4, 5]), .text("x")])
    }
  }

  @Test("RFC 6455 §5.4: a close between fragments is heard")
  func closeBetweenFragments() {
    expect(
      frame(1, [0x61], fin: false) + frame(8, [0x03, 0xE8]), to: .client,
      isHeardAs: [.close(.normal, "")])
  }

  @Test("RFC 6455 §5.4: a continuation needs a message to continue")
  func continuationWithoutStart() {
    expect(frame(0, [1]), to: .client, isHeardAs: [.failure(.continuationWithoutStart)])
    expect(
      frame(1, [0x61]) + frame(0, [1], fin: false), to: .client,
      isHeardAs: [.text("a"), .failure(.continuationWithoutStart)])
    expect(
      frame(1, fin: false) + frame(0) + frame(0), to: .client,
      isHeardAs: [.text(""), .failure(.continuationWithoutStart)])
  }

  @Test("RFC 6455 §5.4: a new message must not begin inside a fragmented one")
  func newMessageInside() {
    for opcode in [1, 2] as [UInt8] {
      expect(
        frame(1, [0x61], fin: false) + frame(opcode, [0x62]), to: .client,
        isHeardAs: [.failure(.newMessageInsideFragmented)])
      expect(
        frame(2, fin: false) + frame(opcode, fin: false), to: .client,
        isHeardAs: [.failure(.newMessageInsideFragmented)])
    }
  }

  @Test("the memory of fragmented messages is given back on request")
  func assemblyShrinks() throws {
    var reader = MessageReader(role: .client, messageBytesMax: 1 << 20)
    var input = ByteBuffer(bytesMax: 1 << 20)
    try input.append(frame(2, [UInt8](repeating: 1, count: 100_000), fin: false) + frame(0))
    guard case .binary = reader.next(&input) else {
      Issue.record("no message")
      return
    }
    expectSame(reader.allocatedBytes >= 100_000, true)
    reader.shrink()
    expectSame(reader.allocatedBytes, 0)
  }

  // MARK: §5.5 control frames

  @Test(
    "RFC 6455 §5.5: a fragmented control frame fails the connection",
    arguments: [8, 9, 10] as [UInt8])
  func fragmentedControl(_ opcode: UInt8) {
    expect(
      frame(opcode, fin: false), to: .client, isHeardAs: [.failure(.fragmentedControlFrame)])
  }

  @Test(
    "RFC 6455 §5.5: a control frame carries at most 125 bytes", arguments: [8, 9, 10] as [UInt8])
  func oversizedControl(_ opcode: UInt8) {
    for count in [126, 65_536] {
      expect(
        frame(opcode, [UInt8](repeating: 1, count: count)), to: .client,
        isHeardAs: [.failure(.oversizedControlFrame)])
    }
  }

  @Test("RFC 6455 §5.5.2: pings and pongs of up to 125 bytes are heard")
  func pings() {
    let payload = (0..<125).map { UInt8($0) }
    expect(
      frame(9, payload, mask: maskKey) + frame(0xA, payload, mask: maskKey)
        + frame(9, mask: maskKey),
      to: .server, isHeardAs: [.ping(payload), .pong(payload), .ping([])])
  }

  // MARK: §5.5.1, §7.4 close

  @Test("RFC 6455 §5.5.1: close frames without code, with code, with reason")
  func closes() {
    expect(frame(8), to: .client, isHeardAs: [.close(nil, "")])
    expect(frame(8, [0x03, 0xE9]), to: .client, isHeardAs: [.close(.goingAway, "")])
    let reason = String(repeating: "é", count: 61)
    expect(
      frame(8, [0x0F, 0xA1] + Array(reason.utf8), mask: maskKey), to: .server,
      isHeardAs: [.close(CloseCode(rawValue: 4001), reason)])
  }

  @Test("RFC 6455 §5.5.1: a close payload of one byte fails")
  func closeOfOneByte() {
    expect(frame(8, [3]), to: .client, isHeardAs: [.failure(.closePayloadOfOneByte)])
  }

  @Test(
    "RFC 6455 §7.4: close codes that must not be sent fail",
    arguments: [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] as [UInt16])
  func invalidCloseCodes(_ code: UInt16) {
    expect(
      frame(8, [UInt8(code >> 8), UInt8(code & 0xFF)]), to: .client,
      isHeardAs: [.failure(.invalidCloseCode(code))])
  }

  @Test("RFC 6455 §5.5.1: the reason of a close must be UTF-8")
  func closeReason() {
    for reason in [[0xFF], [0xC3], [0x61, 0xED, 0xA0, 0x80]] as [[UInt8]] {
      expect(
        frame(8, [0x03, 0xE8] + reason), to: .client,
        isHeardAs: [.failure(.invalidUTF8InCloseReason)])
    }
  }

  // MARK: §8.1 text

  @Test(
    "RFC 6455 §8.1: text that is not UTF-8 fails, whole, fragmented, and when it ends too early")
  func invalidText() {
    let bad: [[UInt8]] = [
      [0xFF], [0xC3], [0x61, 0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
      Array("κόσμε".utf8) + [0xE2, 0x82],
    ]
    for payload in bad {
      expect(frame(1, payload), to: .client, isHeardAs: [.failure(.invalidUTF8)])
      expect(frame(1, payload, mask: maskKey), to: .server, isHeardAs: [.failure(.invalidUTF8)])
      expect(
        frame(1, [0x61], fin: false) + frame(0, payload), to: .client,
        isHeardAs: [.failure(.invalidUTF8)])
      expect(frame(2, payload), to: .client, isHeardAs: [.binary(payload)])
    }
  }

  @Test("RFC 6455 §8.1: an invalid byte fails inside a frame that has not all arrived")
  func failsFast() {
    let announced = Array(frame(1, [0x61, 0xFF] + [UInt8](repeating: 0x61, count: 1000)).prefix(6))
    expect(announced, to: .client, isHeardAs: [.failure(.invalidUTF8)])
    let masked = frame(1, [0x61, 0xFF] + [UInt8](repeating: 0x61, count: 1000), mask: maskKey)
    expect(Array(masked.prefix(10)), to: .server, isHeardAs: [.failure(.invalidUTF8)])
    let fragment = Array(frame(0, [0x80] + [UInt8](repeating: 0x61, count: 1000)).prefix(5))
    expect(
      frame(1, [0xE2], fin: false) + fragment, to: .client,
      isHeardAs: [])
    expect(
      frame(1, [0x62], fin: false) + fragment, to: .client, isHeardAs: [.failure(.invalidUTF8)])
  }

  @Test("after a failure nothing is read any more")
  func failureStays() throws {
    var reader = MessageReader(role: .client, messageBytesMax: 100)
    var input = ByteBuffer(bytesMax: 1000)
    try input.append(frame(3) + frame(1, [0x61]))
    for _ in 0..<3 {
      guard case .failure(.reservedOpcode(3)) = reader.next(&input) else {
        Issue.record("the failure did not stay")
        return
      }
    }
  }

  @Test("every failure says its rule in a sentence that fits a Close frame")
  func descriptions() {
    let all: [ProtocolFailure] = [
      .reservedBits(7), .reservedOpcode(15), .fragmentedControlFrame, .oversizedControlFrame,
      .unmaskedFrameFromClient, .maskedFrameFromServer, .nonMinimalLength, .lengthOutOfRange,
      .messageTooBig(limitBytes: Int.max), .continuationWithoutStart, .newMessageInsideFragmented,
      .closePayloadOfOneByte, .invalidCloseCode(65_535), .invalidUTF8, .invalidUTF8InCloseReason,
    ]
    for failure in all {
      let sentence = failure.description
      #expect(sentence.utf8.count <= 123 && sentence.contains("RFC 6455 section"))
      #expect(sentence.utf8.allSatisfy { $0 < 0x80 })
    }
  }
}
