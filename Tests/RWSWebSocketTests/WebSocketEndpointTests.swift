import Testing

@testable import RWSWebSocket

@Suite struct WebSocketEndpointTests {
  private static let bothRoles: [(Role, Role)] = [(.client, .server), (.server, .client)]

  @Test("messages of every length form make the round trip in both directions")
  func roundTrip() throws {
    var client = makeEndpoint(.client)
    var server = makeEndpoint(.server)
    for count in [0, 1, 7, 8, 125, 126, 127, 65_535, 65_536, 200_000] {
      let text = String(repeating: "é", count: count / 2)
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      try client.sendText(text)
      try client.sendBinary(bytes)
      try client.deliver(to: &server)
      expectSame(server.receiveAll(), [.text(text), .binary(bytes)])
      try server.sendText(text)
      try server.sendBinary(bytes)
      try server.deliver(to: &client)
      expectSame(client.receiveAll(), [.text(text), .binary(bytes)])
    }
  }

  @Test("a large message read through prepareRead grows the input as it arrives, not as announced")
  func growsAsItArrives() throws {
    var client = makeEndpoint(.client, messageBytesMax: 1 << 24)
    let message = [UInt8](repeating: 0x61, count: 1 << 22)
    let bytes = frame(1, message)
    var at = 0
    var reads = 0
    var heard: [Heard] = []
    while at < bytes.count {
      let room = try client.prepareRead(chunk: 4096)
      if reads == 1 { expectSame(client.allocatedBytes < 64 * 1024, true) }
      let part = bytes[at..<min(bytes.count, at + room.count)]
      room.copyBytes(from: part)
      client.input.commit(part.count)
      at += part.count
      reads += 1
      heard += client.receiveAll()
    }
    #expect(heard == [.text(String(decoding: message, as: UTF8.self))])
    #expect(reads < 30)
    client.shrink()
    expectSame(client.allocatedBytes, 0)
  }

  // MARK: Pings

  @Test("RFC 6455 §5.5.2: a ping is answered with its payload, between messages")
  func pong() throws {
    for (role, peer) in Self.bothRoles {
      var one = makeEndpoint(role)
      var other = makeEndpoint(peer)
      try one.sendPing([1, 2, 3])
      try one.sendText("after")
      try one.deliver(to: &other)
      expectSame(other.receiveAll(), [.text("after")])
      try other.deliver(to: &one)
      expectSame(one.receiveAll(), [.pong([1, 2, 3])])
    }
  }

  @Test("RFC 6455 §5.5.3: a few pings at once are all answered, in order")
  func severalPings() throws {
    var client = makeEndpoint(.client)
    var server = makeEndpoint(.server)
    for number in UInt8(0)..<10 { try client.sendPing([number]) }
    try client.deliver(to: &server)
    _ = server.receiveAll()
    try server.deliver(to: &client)
    expectSame(client.receiveAll(), (UInt8(0)..<10).map { .pong([$0]) })
  }

  @Test(
    "RFC 6455 §5.5.3: a flood of pings that nobody reads the answers of stays bounded; the last is answered"
  )
  func pingFlood() throws {
    for (role, peer) in Self.bothRoles {
      var attacker = makeEndpoint(role)
      var victim = makeEndpoint(peer)
      var sent: UInt32 = 0
      for _ in 0..<200 {
        for _ in 0..<50 {
          sent += 1
          try attacker.sendPing(
            withUnsafeBytes(of: sent, Array.init) + [UInt8](repeating: 0, count: 121))
        }
        try attacker.deliver(to: &victim)
        expectSame(victim.receiveAll(), [])
        expectSame(victim.output.count < 2048 + 132, true)
      }
      // The peer reads again: the queued pongs, then the answer to its latest ping, and nothing else.
      try victim.deliver(to: &attacker)
      let queued = attacker.receiveAll()
      #expect(queued.count <= 17)
      try victim.deliver(to: &attacker)
      expectSame(
        attacker.receiveAll(),
        [.pong(withUnsafeBytes(of: sent, Array.init) + [UInt8](repeating: 0, count: 121))])
      expectSame(victim.output.isEmpty, true)
    }
  }

  @Test("pongs behind a large unsent message leave with it, byte by byte, and are counted once")
  func pongBehindMessage() throws {
    var client = makeEndpoint(.client)
    var server = makeEndpoint(.server)
    try server.sendText(String(repeating: "x", count: 5000))
    for number in UInt8(0)..<40 { try client.sendPing([UInt8](repeating: number, count: 125)) }
    try client.deliver(to: &server)
    _ = server.receiveAll()
    var heard: [Heard] = []
    while true {
      let first = Array(server.output.bytes.prefix(1))
      if first.isEmpty { break }
      try client.input.append(first)
      server.sent(1)
      heard += client.receiveAll()
    }
    #expect(heard.first == .text(String(repeating: "x", count: 5000)))
    #expect(heard.last == .pong([UInt8](repeating: 39, count: 125)))
    #expect(heard.count < 20)
  }

  // MARK: Closing

  @Test("RFC 6455 §7.1.2: a closing handshake, started by either role")
  func closing() throws {
    for (role, peer) in Self.bothRoles {
      var one = makeEndpoint(role)
      var other = makeEndpoint(peer)
      try one.close(.goingAway, reason: "done")
      expectSame(one.state, .closing)
      try one.deliver(to: &other)
      expectSame(other.receiveAll(), [])
      expectSame(
        other.state, .closed(.handshake(code: .goingAway, reason: "done", startedByPeer: true)))
      try other.deliver(to: &one)
      expectSame(one.receiveAll(), [])
      expectSame(
        one.state, .closed(.handshake(code: .goingAway, reason: "", startedByPeer: false)))
      one.receiveEOF()
      expectSame(
        one.state, .closed(.handshake(code: .goingAway, reason: "", startedByPeer: false)))
      expectSame(one.output.isEmpty, true)
    }
  }

  @Test("RFC 6455 §7.1.5: an empty Close is answered with an empty one and reported as 1005")
  func emptyClose() throws {
    var client = makeEndpoint(.client)
    var server = makeEndpoint(.server)
    try client.close(nil)
    try client.deliver(to: &server)
    _ = server.receiveAll()
    expectSame(
      server.state, .closed(.handshake(code: .noStatus, reason: "", startedByPeer: true)))
    expectSame(Array(server.output.bytes), [0x88, 0])
  }

  @Test("RFC 6455 §5.5.1: after our Close nothing is sent, but the peer's messages are still heard")
  func afterOurClose() throws {
    var client = makeEndpoint(.client)
    try client.close(.normal)
    let before = client.output.count
    var errors: [SendError] = []
    do throws(SendError) { try client.sendText("x") } catch { errors.append(error) }
    do throws(SendError) { try client.sendBinary([1]) } catch { errors.append(error) }
    do throws(SendError) { try client.sendPing([1]) } catch { errors.append(error) }
    do throws(SendError) { try client.close(.normal) } catch { errors.append(error) }
    #expect(errors == [.notOpen, .notOpen, .notOpen, .notOpen])
    try client.input.append(frame(1, [0x61]) + frame(9, [1]) + frame(8, [0x03, 0xE8]))
    expectSame(client.receiveAll(), [.text("a")])
    expectSame(client.output.count, before)
    expectSame(
      client.state, .closed(.handshake(code: .normal, reason: "", startedByPeer: false)))
  }

  @Test("RFC 6455 §5.5.1: what follows the peer's Close is not read")
  func afterPeersClose() throws {
    var client = makeEndpoint(.client)
    try client.input.append(frame(8, [0x03, 0xE8]) + frame(1, [0x61]))
    expectSame(client.receiveAll(), [])
    expectSame(client.receiveAll(), [])
  }

  @Test("RFC 6455 §7.1.7: a broken rule sends one Close with the reason and ends the reading")
  func failure() throws {
    var client = makeEndpoint(.client)
    try client.input.append(frame(1, [0x61]) + frame(1, [0xFF]) + frame(1, [0x62]))
    expectSame(client.receiveAll(), [.text("a")])
    expectSame(client.state, .closed(.failed(.invalidUTF8)))
    let output = Array(client.output.bytes)
    expectSame(client.receiveAll(), [])
    client.receiveEOF()
    expectSame(Array(client.output.bytes), output)
    expect(
      output, to: .server,
      isHeardAs: [.close(.invalidPayload, ProtocolFailure.invalidUTF8.description)])
  }

  @Test("a broken rule after our Close sends no second Close")
  func failureWhileClosing() throws {
    var server = makeEndpoint(.server)
    try server.close(.normal)
    let before = server.output.count
    try server.input.append(frame(1, [0x61]))
    expectSame(server.receiveAll(), [])
    expectSame(server.state, .closed(.failed(.unmaskedFrameFromClient)))
    expectSame(server.output.count, before)
  }

  @Test("RFC 6455 §7.1.5: the end of the stream without a Close is 1006")
  func lost() throws {
    var client = makeEndpoint(.client)
    try client.input.append(frame(1, [0x61]))
    expectSame(client.receiveAll(), [.text("a")])
    client.receiveEOF()
    expectSame(client.state, .closed(.lost(afterOurClose: false)))
    #expect(WebSocketEndpoint.Ending.lost(afterOurClose: false).code == .abnormal)
    var closing = makeEndpoint(.client)
    try closing.close(.normal)
    closing.receiveEOF()
    expectSame(closing.state, .closed(.lost(afterOurClose: true)))
  }

  @Test("a refused send changes nothing")
  func refusedSends() throws {
    var client = makeEndpoint(.client, outputBytesMax: 100)
    var errors: [SendError] = []
    do throws(SendError) { try client.sendBinary([UInt8](repeating: 1, count: 1 << 17)) } catch {
      errors.append(error)
    }
    do throws(SendError) {
      try [0xC3].withRawBytes { bytes throws(SendError) in try client.sendText(bytes) }
    } catch { errors.append(error) }
    do throws(SendError) {
      try client.close(.normal, reason: String(repeating: "x", count: 124))
    } catch { errors.append(error) }
    do throws(SendError) { try client.close(.abnormal) } catch { errors.append(error) }
    #expect(
      errors == [
        .outputFull(limitBytes: 100 + 64 * 1024), .invalidUTF8, .controlPayloadTooLong,
        .invalidCloseCode(.abnormal),
      ])
    expectSame(client.state, .open)
    expectSame(client.output.isEmpty, true)
  }

  @Test("limits from outside are tamed, whatever they are")
  func absurdLimits() throws {
    for limit in [Int.min, -1, 0, Int.max] {
      var client = makeEndpoint(.client, messageBytesMax: limit, outputBytesMax: limit)
      _ = try client.prepareRead(chunk: 1024)
      try client.input.append(frame(1))
      expectSame(client.receiveAll(), [.text("")])
      try client.close(.normal)
    }
  }
}
