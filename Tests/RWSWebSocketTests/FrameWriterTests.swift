import Testing

@testable import RWSWebSocket

@Suite struct FrameWriterTests {
  private func written(
    _ role: Role, _ opcode: Opcode, _ payload: [UInt8], isFinal: Bool = true
  ) throws -> [UInt8] {
    var writer = FrameWriter(role: role, masks: testMasks())
    var output = ByteBuffer(bytesMax: 1 << 20)
    try payload.withRawBytes { bytes throws(SendError) in
      try writer.write(opcode, bytes, isFinal: isFinal, to: &output)
    }
    return Array(output.bytes)
  }

  @Test("RFC 6455 §5.1: a client's frame is masked with the next key, a server's is plain")
  func masking() throws {
    let payload = Array("Hello, frame".utf8)
    // The first four bytes of `testMasks`.
    let key = (0..<4).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
    #expect(try written(.client, .text, payload) == frame(1, payload, mask: key))
    #expect(try written(.server, .text, payload) == frame(1, payload))
    #expect(try written(.server, .binary, payload, isFinal: false) == frame(2, payload, fin: false))
  }

  @Test(
    "what one role writes, the other reads: every opcode and length form",
    arguments: [0, 1, 124, 125, 126, 127, 65_535, 65_536, 100_003])
  func roundTrip(_ count: Int) throws {
    let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 % 127) }
    for (role, peer) in [(Role.client, Role.server), (.server, .client)] {
      let text = try written(role, .text, payload)
      expect(text, to: peer, isHeardAs: [.text(String(decoding: payload, as: UTF8.self))])
      let binary = try written(role, .binary, payload)
      expect(binary, to: peer, isHeardAs: [.binary(payload)])
      guard count <= 125 else { continue }
      expect(try written(role, .ping, payload), to: peer, isHeardAs: [.ping(payload)])
      expect(try written(role, .pong, payload), to: peer, isHeardAs: [.pong(payload)])
    }
  }

  @Test("RFC 6455 §5.5: a control payload over 125 bytes is refused, and nothing is written")
  func controlTooLong() throws {
    let payload = [UInt8](repeating: 1, count: 126)
    #expect(throws: SendError.controlPayloadTooLong) { try written(.client, .ping, payload) }
    #expect(throws: SendError.controlPayloadTooLong) { try written(.server, .close, payload) }
  }

  @Test("RFC 6455 §7.4: a close code that must not be sent is refused")
  func closeCodes() {
    for code in [CloseCode.noStatus, .abnormal, CloseCode(rawValue: 2999)] {
      var writer = FrameWriter(role: .server, masks: testMasks())
      var output = ByteBuffer(bytesMax: 1000)
      var error: SendError?
      do throws(SendError) { try writer.writeClose(code, reason: "", to: &output) } catch let e {
        error = e
      }
      #expect(error == .invalidCloseCode(code))
      expectSame(output.isEmpty, true)
    }
  }

  @Test("without random bytes, and over the output's limit, no part of a frame is written")
  func refusals() {
    var writer = FrameWriter(role: .client, masks: MaskSource { _ in false })
    var output = ByteBuffer(bytesMax: 10)
    var errors: [SendError] = []
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    do throws(SendError) { try writer.write(.text, nothing, to: &output) } catch {
      errors.append(error)
    }
    var server = FrameWriter(role: .server, masks: testMasks())
    let nine = [UInt8](repeating: 1, count: 9)
    do throws(SendError) {
      try nine.withRawBytes { bytes throws(SendError) in
        try server.write(.binary, bytes, to: &output)
      }
    } catch { errors.append(error) }
    #expect(errors == [.randomnessUnavailable, .outputFull(limitBytes: 10)])
    expectSame(output.isEmpty, true)
  }
}
