import Testing

@testable import RWSWebSocket

@Suite struct FrameHeaderTests {
  @Test(
    "RFC 6455 §5.2: a written header has the shortest length and is parsed back",
    arguments: [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 31, Int.max])
  func roundTrip(_ payloadBytes: Int) {
    for key in [nil, 0x0102_0304] as [UInt32?] {
      for opcode in [Opcode.continuation, .text, .binary] {
        for isFinal in [true, false] {
          let header = FrameHeader(
            opcode: opcode, isFinal: isFinal, payloadBytes: payloadBytes, maskingKey: key)
          var bytes = [UInt8](repeating: 0xEE, count: FrameHeader.bytesMax + 1)
          bytes.withUnsafeMutableBytes { room in
            if let base = room.baseAddress { header.write(to: base) }
          }
          #expect(bytes[header.encodedBytes] == 0xEE)
          let role: Role = key == nil ? .client : .server
          for count in 0...header.encodedBytes {
            let parsed = bytes[..<count].withUnsafeBytes {
              FrameHeader.parse($0, receivedBy: role, allowedReservedBits: 0)
            }
            switch parsed {
            case .needMore(let missing):
              #expect(count < header.encodedBytes && missing <= header.encodedBytes - count)
            case .header(let read, let length):
              #expect(read == header && length == header.encodedBytes)
              #expect(count == header.encodedBytes)
            case .failure(let failure): Issue.record("\(failure)")
            }
          }
        }
      }
    }
  }

  @Test("RFC 6455 §5.2: RSV1 passes when an extension allows it, RSV2 and RSV3 still fail")
  func allowedReservedBits() {
    func parse(_ first: UInt8) -> FrameHeader.Parsed {
      [first, 0].withUnsafeBytes {
        FrameHeader.parse($0, receivedBy: .client, allowedReservedBits: 0b100)
      }
    }
    #expect(
      parse(0xC1)
        == .header(
          FrameHeader(opcode: .text, isFinal: true, reservedBits: 0b100, payloadBytes: 0),
          bytes: 2))
    #expect(parse(0xA1) == .failure(.reservedBits(0b010)))
    #expect(parse(0xD1) == .failure(.reservedBits(0b101)))
  }
}
