import Testing

@testable import RWSWebSocket

/// What a `MessageReader` makes of compressed frames written by hand, in every cut.
@Suite struct CompressedMessageTests {
  private static let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]
  private static let rsv1: UInt8 = 4

  private static func forgetting() -> DeflateParameters {
    var parameters = DeflateParameters()
    parameters.serverNoContextTakeover = true
    return parameters
  }

  private func expect(
    _ bytes: [UInt8], deflate: DeflateParameters = DeflateParameters(),
    isHeardAs expected: [Heard], messageBytesMax: Int = 1 << 20,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    RWSWebSocketTests.expect(
      bytes, to: .client, messageBytesMax: messageBytesMax, deflate: deflate,
      isHeardAs: expected, sourceLocation: sourceLocation)
  }

  // MARK: RFC 7692 §7.2.3

  @Test("RFC 7692 §7.2.3.1: one compressed block, whole and in two frames")
  func oneBlock() {
    expect(frame(1, Self.hello, rsv: Self.rsv1), isHeardAs: [.text("Hello")])
    expect(
      frame(1, Array(Self.hello[..<3]), fin: false, rsv: Self.rsv1)
        + frame(9, [7]) + frame(0, Array(Self.hello[3...])),
      isHeardAs: [.ping([7]), .text("Hello")])
  }

  @Test("RFC 7692 §7.2.3.2: a message that refers to the window of the one before")
  func sharedWindow() {
    let second: [UInt8] = [0xF2, 0x00, 0x11, 0x00, 0x00]
    let both = frame(1, Self.hello, rsv: Self.rsv1) + frame(1, second, rsv: Self.rsv1)
    expect(both, isHeardAs: [.text("Hello"), .text("Hello")])
    expect(
      both, deflate: Self.forgetting(),
      isHeardAs: [.text("Hello"), .failure(.invalidCompressedData)])
  }

  @Test("RFC 7692 §7.2.3.3: a block without compression")
  func storedBlock() {
    expect(
      frame(
        1, [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00], rsv: Self.rsv1),
      isHeardAs: [.text("Hello")])
  }

  @Test("RFC 7692 §7.2.3.4: a block with BFINAL, and the window goes on behind it")
  func finalBlock() {
    let final: [UInt8] = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00]
    let shared: [UInt8] = [0xF2, 0x00, 0x11, 0x00, 0x00]
    expect(
      frame(1, final, rsv: Self.rsv1) + frame(1, final, rsv: Self.rsv1)
        + frame(1, shared, rsv: Self.rsv1),
      isHeardAs: [.text("Hello"), .text("Hello"), .text("Hello")])
    expect(
      frame(1, final, rsv: Self.rsv1) + frame(1, final, rsv: Self.rsv1),
      deflate: Self.forgetting(), isHeardAs: [.text("Hello"), .text("Hello")])
  }

  @Test("a final block without the empty block behind it ends its message too")
  func bareFinalBlock() {
    let final: [UInt8] = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]
    let both = frame(1, final, rsv: Self.rsv1) + frame(1, Self.hello, rsv: Self.rsv1)
    expect(both, isHeardAs: [.text("Hello"), .text("Hello")])
    expect(both, deflate: Self.forgetting(), isHeardAs: [.text("Hello"), .text("Hello")])
  }

  @Test("RFC 7692 §7.2.3.5: two blocks in one message")
  func twoBlocks() {
    expect(
      frame(
        1, [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00],
        rsv: Self.rsv1),
      isHeardAs: [.text("Hello")])
  }

  @Test("RFC 7692 §7.2.3.6: an empty message, as a zero byte or as nothing at all")
  func emptyMessage() {
    expect(
      frame(1, [0x00], rsv: Self.rsv1) + frame(2, [], rsv: Self.rsv1)
        + frame(1, Self.hello, rsv: Self.rsv1),
      isHeardAs: [.text(""), .binary([]), .text("Hello")])
  }

  @Test("RFC 7692 §6: compressed and plain messages may alternate")
  func alternating() {
    expect(
      frame(1, Self.hello, rsv: Self.rsv1) + frame(1, Array("plain".utf8))
        + frame(2, [1], fin: false) + frame(0, [2]) + frame(2, Self.hello, rsv: Self.rsv1),
      isHeardAs: [
        .text("Hello"), .text("plain"), .binary([1, 2]), .binary(Array("Hello".utf8)),
      ])
  }

  // MARK: RSV1

  @Test("RFC 7692 §6.1: RSV1 on a control or continuation frame fails the connection")
  func misplacedBit() {
    for opcode: UInt8 in [8, 9, 10] {
      expect(frame(opcode, [], rsv: Self.rsv1), isHeardAs: [.failure(.reservedBits(4))])
    }
    for first in [frame(1, [0xF2], fin: false, rsv: Self.rsv1), frame(1, [0x41], fin: false)] {
      expect(first + frame(0, [0], rsv: Self.rsv1), isHeardAs: [.failure(.reservedBits(4))])
    }
  }

  @Test("RFC 6455 §5.2: RSV2 and RSV3 still fail", arguments: [UInt8(1), 2, 3, 5, 6, 7])
  func otherBits(_ bits: UInt8) {
    expect(frame(1, Self.hello, rsv: bits), isHeardAs: [.failure(.reservedBits(bits))])
  }

  @Test("RFC 6455 §5.4: a message inside a compressed one fails, compressed or not")
  func nested() {
    let start = frame(1, [0xF2], fin: false, rsv: Self.rsv1)
    expect(start + frame(1, [0]), isHeardAs: [.failure(.newMessageInsideFragmented)])
    expect(
      start + frame(1, Self.hello, rsv: Self.rsv1),
      isHeardAs: [.failure(.newMessageInsideFragmented)])
  }

  // MARK: Broken data

  @Test("RFC 7692 §7.2.2: a message that is cut off anywhere fails with 1007")
  func truncated() {
    for count in 1..<(Self.hello.count - 1) {
      let failure = ProtocolFailure.invalidCompressedData
      expect(
        frame(1, Array(Self.hello[..<count]), rsv: Self.rsv1), isHeardAs: [.failure(failure)])
      #expect(failure.closeCode == .invalidPayload)
    }
  }

  @Test(
    "data that is no DEFLATE fails as soon as that shows",
    arguments: [
      // Block type 3; a stored block whose length and its complement differ; a distance beyond the
      // beginning.
      [0x07], [0x00, 0x05, 0x00, 0xFA, 0xFE], [0x4B, 0x04, 0x3A, 0x00],
    ] as [[UInt8]])
  func corrupt(_ data: [UInt8]) {
    let unfinished = frame(2, data + [UInt8](repeating: 0x55, count: 100), fin: false, rsv: 4)
    expect(unfinished, isHeardAs: [.failure(.invalidCompressedData)])
  }

  @Test("RFC 6455 §8.1: text that is not UTF-8 fails before its message is whole")
  func invalidText() {
    let stored: [UInt8] = [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x61, 0xFF]
    expect(
      frame(1, stored, fin: false, rsv: Self.rsv1), isHeardAs: [.failure(.invalidUTF8)])
    // A character that ends with the message, cut short.
    expect(
      frame(1, [0x00, 0x01, 0x00, 0xFE, 0xFF, 0xC3, 0x00], rsv: Self.rsv1),
      isHeardAs: [.failure(.invalidUTF8)])
  }

  @Test("what came before broken DEFLATE data is judged first, in every cut (found by fuzzing)")
  func invalidTextBeforeCorruptData() {
    // A stored block that is no UTF-8, then block type 3: in one call zlib writes the one and refuses the other.
    let data: [UInt8] = [0x00, 0x02, 0x00, 0xFD, 0xFF, 0x61, 0xFF, 0x07]
    expect(frame(1, data, rsv: Self.rsv1), isHeardAs: [.failure(.invalidUTF8)])
    expect(frame(2, data, rsv: Self.rsv1), isHeardAs: [.failure(.invalidCompressedData)])
  }

  // MARK: Limits

  @Test("the limit of a message holds for what is inflated: one byte more fails with 1009")
  func limit() {
    expect(
      frame(1, Self.hello, rsv: Self.rsv1), isHeardAs: [.text("Hello")], messageBytesMax: 5)
    expect(
      frame(1, Self.hello, rsv: Self.rsv1),
      isHeardAs: [.failure(.messageTooBig(limitBytes: 4))], messageBytesMax: 4)
  }

  @Test("a bomb fails with 1009 while the memory stays within the limit or the ratio")
  func bombs() throws {
    let table: [(Int, ProtocolFailure)] = [
      (1 << 20, .messageTooBig(limitBytes: 1 << 20)), (1 << 30, .overdrawnCompression),
    ]
    for (limit, failure) in table {
      let bomb = try Self.compressed([UInt8](repeating: 0x20, count: 64 << 20))
      #expect(bomb.count < 80_000)
      var reader = MessageReader(role: .client, messageBytesMax: limit)
      reader.allowCompression(DeflateParameters())
      var input = ByteBuffer(bytesMax: 1 << 20)
      try input.append(frame(1, bomb, rsv: Self.rsv1))
      guard case .failure(let found) = reader.next(&input) else {
        Issue.record("the bomb of \(bomb.count) bytes went off")
        continue
      }
      #expect(found == failure)
      #expect(found.closeCode == .messageTooBig)
      #expect(reader.allocatedBytes < 3 * Inflater.ratioFreeBytes)
    }
  }

  @Test("repetition passes that costs little: 10 MiB of one byte")
  func honestRepetition() throws {
    let message = [UInt8](repeating: 0x41, count: 10 << 20)
    let bytes = frame(2, try Self.compressed(message), rsv: Self.rsv1)
    let heard = listen(
      role: .client, messageBytesMax: 16 << 20, deflate: DeflateParameters(),
      parts: [bytes[...]])
    #expect(heard == [.binary(message)] as [Heard])
  }

  @Test("a compressed frame that announces far more than the limit fails at its header")
  func announced() {
    let header: [UInt8] = [0xC1, 127, 0, 0, 0, 0, 0x40, 0, 0, 0]
    expect(header, isHeardAs: [.failure(.messageTooBig(limitBytes: 1 << 20))])
  }

  static func compressed(_ message: [UInt8]) throws -> [UInt8] {
    let deflater = try #require(Deflater(role: .client, windowBits: 15, keepsContext: false))
    return try message.withUnsafeBytes { bytes in
      Array(try #require(deflater.compress(bytes)))
    }
  }
}
