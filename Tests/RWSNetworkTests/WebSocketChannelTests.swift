import Glibc
import RWSWebSocket
import Testing

@testable import RWSNetwork

extension NetworkTests {
  @Suite struct WebSocketChannelTests {
    let loop: EventLoop
    let client = Recorder()
    init() throws { loop = try EventLoop() }

    private func context(_ secure: Bool) throws -> (server: TLSContext?, client: TLSContext?) {
      guard secure else { return (nil, nil) }
      let certificate = try SelfSignedCertificate(names: ["127.0.0.1"])
      return (
        try TestCertificates.server(certificate), try TestCertificates.client(trusting: certificate)
      )
    }

    /// An open channel and the server's side of it.
    private func open(
      _ server: EchoServer, tls: TLSContext? = nil, limits: ChannelLimits = ChannelLimits()
    ) throws -> WebSocketChannel {
      var options = ConnectOptions(url: try server.url(), tls: tls)
      // Bytes that wait are counted here: what is sent is what is on the wire.
      options.deflate = nil
      options.limits = limits
      let channel = WebSocketChannel(connecting: options, on: loop, delegate: client)
      try loop.drive { client.info != nil || client.failure != nil }
      try #require(client.failure == nil, "\(client.failure?.message ?? "")")
      return channel
    }

    @Test(
      "a message of 16 MiB goes both ways, in as many writes as the kernel wants",
      arguments: [false, true])
    func large(secure: Bool) throws {
      let tls = try context(secure)
      let server = try EchoServer(loop) { $0.tls = tls.server }
      defer { server.stop() }
      let channel = try open(server, tls: tls.client)
      var message = [UInt8](repeating: UInt8(ascii: "x"), count: 16 << 20)
      for index in stride(from: 0, to: message.count, by: 4093) {
        message[index] = UInt8(ascii: "a") + UInt8(index % 26)
      }
      #expect(channel.send(text: message, tag: 7))
      #expect(channel.queuedBytes > 0)
      #expect(client.flushed.isEmpty)
      #expect(channel.send(text: Array("after".utf8), tag: 8))
      try loop.drive { client.texts.count == 2 || client.failure != nil }
      #expect(client.flushed == [7, 8])
      #expect(client.texts.first == message)
      #expect(client.strings.last == "after")
      #expect(channel.isIdle)
      channel.abort()
    }

    @Test("20,000 small messages come back whole and in order", arguments: [false, true])
    func many(secure: Bool) throws {
      let tls = try context(secure)
      let server = try EchoServer(loop) { $0.tls = tls.server }
      defer { server.stop() }
      let channel = try open(server, tls: tls.client)
      client.keepsTexts = false
      var next = 0
      var isOrdered = true
      client.onText = { _, text in
        isOrdered = isOrdered && String(decoding: text, as: UTF8.self) == "message \(next)"
        next += 1
      }
      for index in 0..<20_000 {
        channel.send(text: Array("message \(index)".utf8), tag: UInt64(index))
      }
      try loop.drive { next == 20_000 || client.failure != nil }
      #expect(isOrdered)
      #expect(client.flushed == (0..<20_000).map { UInt64($0) })
      #expect(client.bursts < 20_000)
      channel.abort()
    }

    @Test(
      "nothing is delivered while reading is paused; the peer's queue grows instead",
      arguments: [false, true])
    func pause(secure: Bool) throws {
      let tls = try context(secure)
      let server = try EchoServer(loop) { $0.tls = tls.server }
      defer { server.stop() }
      let channel = try open(server, tls: tls.client)
      let serverSide = server.connections[0].channel
      client.onText = { [weak client] channel, _ in
        if client?.texts.count == 1 { channel.pauseReading() }
      }
      let big = [UInt8](repeating: UInt8(ascii: "b"), count: 1 << 20)
      for tag in 0..<20 { serverSide.send(text: big, tag: UInt64(tag)) }
      try loop.drive { client.texts.count == 1 }
      loop.settle()
      loop.runOnce(maxWait: 20_000_000)
      #expect(client.texts.count == 1)
      #expect(serverSide.queuedBytes > 0)
      channel.resumeReading()
      #expect(client.texts.count == 1)
      try loop.drive { client.texts.count == 20 }
      #expect(client.texts.allSatisfy { $0 == big })
      channel.abort()
    }

    @Test(
      "a peer that vanishes while reading is paused costs no busy loop, and is noticed on resume")
    func vanishWhilePaused() throws {
      let (channel, peer) = try client.openToRawPeer(loop)
      channel.pauseReading()
      peer.reset()
      loop.settle()
      let start = MonotonicClock.now()
      loop.runOnce(maxWait: 10_000_000)
      #expect(MonotonicClock.now() - start >= 10_000_000)
      #expect(client.failures.isEmpty)
      channel.resumeReading()
      try loop.drive { client.failure != nil }
      #expect(client.failure?.kind == .lost)
    }

    @Test("what is sent in a batch leaves together, in order, when the batch ends")
    func batch() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      let channel = try open(server)
      channel.batch {
        for word in ["a", "b", "c"] { #expect(channel.send(text: Array(word.utf8), tag: 1)) }
        #expect(channel.queuedBytes == 3 * 7)
        #expect(client.flushed.isEmpty)
      }
      #expect(channel.queuedBytes == 0)
      try loop.drive { client.texts.count == 3 || client.failure != nil }
      #expect(client.strings == ["a", "b", "c"])
      channel.abort()
    }

    @Test("RFC 6455 §5.5.2: a ping is answered with its payload")
    func ping() throws {
      let (channel, peer) = try client.openToRawPeer(loop)
      try peer.send([0x89, 0x03, 1, 2, 3])
      try peer.receive { $0.count >= 9 }
      #expect(peer.received[0] == 0x8A)
      #expect(peer.received[1] == 0x83)
      let key = peer.received[2..<6]
      #expect(zip(peer.received[6...], key).map { $0 ^ $1 } == [1, 2, 3])
      channel.abort()
    }

    @Test("our ping reaches the peer, and its pong shows as life")
    func ourPing() throws {
      let (channel, peer) = try client.openToRawPeer(loop)
      #expect(channel.ping([42]))
      #expect(!channel.ping([UInt8](repeating: 0, count: 126)))
      try peer.receive { $0.count >= 7 }
      #expect(peer.received[0] == 0x89)
      let before = channel.lastReceived
      try peer.send([0x8A, 0x01, 42])
      try loop.drive { channel.lastReceived > before }
      channel.abort()
    }

    @Test("frames that come with the upgrade's answer are delivered")
    func framesWithAnswer() throws {
      let server = try RawServer(loop)
      let channel = WebSocketChannel(
        connecting: ConnectOptions(url: try server.url()), on: loop, delegate: client)
      let peer = try server.accept()
      let head = try peer.receiveHead()
      let line = try #require(
        head.split(separator: "\r\n").first { $0.hasPrefix("Sec-WebSocket-Key:") })
      let accept = AcceptKeyForTests.answer(String(line.dropFirst("Sec-WebSocket-Key: ".count)))
      try peer.send(
        Array(
          ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Accept: \(accept)\r\n\r\n").utf8) + [0x81, 2] + Array("hi".utf8))
      try loop.drive { client.texts.count == 1 }
      #expect(client.strings == ["hi"])
      channel.abort()
    }

    @Test("a connection cut in the middle of a frame is lost", arguments: [false, true])
    func cut(reset: Bool) throws {
      let (channel, peer) = try client.openToRawPeer(loop)
      try peer.send([0x81, 5] + Array("whole".utf8) + [0x81, 100] + Array("half".utf8))
      try loop.drive { client.texts.count == 1 }
      if reset { peer.reset() } else { peer.close() }
      try loop.drive { client.failure != nil }
      #expect(client.failure?.kind == .lost)
      #expect(client.failure?.closeCode == 1006)
      #expect(client.strings == ["whole"])
      #expect(!channel.isOpen)
      #expect(!channel.send(text: [], tag: 1))
    }

    @Test(
      "RFC 6455 §7.1.7: a masked frame from the server fails the connection with 1002, which is sent"
    )
    func violation() throws {
      let (channel, peer) = try client.openToRawPeer(loop)
      try peer.send([0x81, 2] + Array("ok".utf8) + [0x81, 0x81, 0, 0, 0, 0, 65])
      try peer.receive { $0.count >= 8 }
      #expect(peer.received[0] == 0x88)
      #expect(
        [peer.received[6] ^ peer.received[2], peer.received[7] ^ peer.received[3]] == [0x03, 0xEA])
      try loop.drive { client.failure != nil }
      #expect(client.failure?.kind == .protocolViolation)
      #expect(client.failure?.closeCode == 1002)
      #expect(client.strings == ["ok"])
      #expect(client.bursts == 1)
      #expect(!channel.isOpen)
    }

    @Test("a message over the limit fails with 1009, at the sender too")
    func tooLarge() throws {
      let server = try EchoServer(loop)
      server.limits.receivedMessageBytes = 1000
      defer { server.stop() }
      let channel = try open(server)
      channel.send(text: [UInt8](repeating: 65, count: 4 << 20), tag: 1)
      try loop.drive { client.failure != nil && server.connections[0].recorder.failure != nil }
      #expect(server.connections[0].recorder.failure?.kind == .messageTooLarge)
      // The server drained what was under way, so that its Close frame was not overtaken by a reset.
      #expect(client.failure?.kind == .peerClosed)
      #expect(client.failure?.closeCode == 1009)
    }

    @Test("the queue's limit refuses a message and keeps the connection")
    func queueLimit() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      var limits = ChannelLimits()
      limits.queuedBytes = 1 << 20
      let channel = try open(server, limits: limits)
      #expect(!channel.send(text: [UInt8](repeating: 65, count: 2 << 20), tag: 1))
      #expect(channel.send(text: [65], tag: 2))
      try loop.drive { client.texts.count == 1 }
      #expect(client.flushed == [2])
      channel.abort()
    }

    @Test("text that is not UTF-8 is not sent")
    func notUTF8() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      let channel = try open(server)
      #expect(!channel.send(text: [0xFF], tag: 1))
      channel.abort()
    }

    @Test("the server's close is answered and reported with code and reason")
    func serverCloses() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      let channel = try open(server)
      server.connections[0].channel.send(text: Array("last".utf8), tag: 1)
      server.connections[0].channel.close(
        code: 4001, reason: "going", timeoutNanoseconds: 5_000_000_000)
      try loop.drive { client.failure != nil && server.connections[0].recorder.failure != nil }
      #expect(client.strings == ["last"])
      #expect(client.failure?.kind == .peerClosed)
      #expect(client.failure?.closeCode == 4001)
      #expect(client.failure?.reason == "going")
      #expect(server.connections[0].recorder.failure?.kind == .closedLocally)
      #expect(!channel.isOpen)
    }

    @Test("messages that arrive after our close are still delivered, until the peer's close")
    func closeWithTraffic() throws {
      let (channel, peer) = try client.openToRawPeer(loop)
      channel.close(timeoutNanoseconds: 5_000_000_000)
      #expect(!channel.send(text: [65], tag: 1))
      try peer.send([0x81, 4] + Array("late".utf8) + [0x88, 2, 0x03, 0xE8])
      peer.close()
      try loop.drive { client.failure != nil }
      #expect(client.strings == ["late"])
      #expect(client.failure?.kind == .closedLocally)
      #expect(client.failure?.closeCode == 1000)
    }

    @Test("a peer that does not answer our close is dropped when the time is up")
    func closeTimeout() throws {
      let (channel, peer) = try client.openToRawPeer(loop)
      let start = MonotonicClock.now()
      channel.close(timeoutNanoseconds: 50_000_000)
      try loop.drive { client.failure != nil }
      #expect(MonotonicClock.now() - start >= 50_000_000)
      #expect(client.failure?.kind == .closingTimedOut)
      try peer.receive { _ in peer.sawEnd }
    }

    @Test("close works while reading is paused, and twice is once")
    func closePaused() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      let channel = try open(server)
      channel.pauseReading()
      channel.close(timeoutNanoseconds: 5_000_000_000)
      channel.close(timeoutNanoseconds: 5_000_000_000)
      try loop.drive { client.failure != nil }
      #expect(client.failures.map(\.kind) == [.closedLocally])
    }

    @Test(
      "abort inside any callback ends it there: no further call",
      arguments: ["open", "text", "flush", "close"])
    func abortInCallback(place: String) throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      var calls = 0
      switch place {
      case "open":
        client.onOpen = {
          calls += 1
          $0.abort()
        }
      case "text":
        client.onText = { channel, _ in
          calls += 1
          channel.abort()
        }
      case "flush":
        client.onFlush = { channel, _ in
          calls += 1
          channel.abort()
        }
      default:
        client.onClose = {
          calls += 1
          $0.abort()
        }
      }
      let channel = try open(server)
      for tag in 0..<5 { channel.send(text: [65], tag: UInt64(tag)) }
      if place == "close" { channel.close(timeoutNanoseconds: 1_000_000_000) }
      try loop.drive { calls > 0 }
      try loop.drive { server.connections.allSatisfy { !$0.channel.isOpen } }
      loop.settle()
      #expect(calls == 1)
      #expect(client.failures.count == (place == "close" ? 1 : 0))
      #expect(client.texts.count <= 5)
      #expect(!channel.isOpen)
    }

    @Test("sending inside callbacks keeps the order of flushes")
    func sendInCallback() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      let channel = try open(server)
      client.onFlush = { channel, tag in
        if tag < 50 { channel.send(text: [65], tag: tag + 1) }
      }
      channel.send(text: [65], tag: 1)
      try loop.drive { client.texts.count == 50 }
      #expect(client.flushed == (1...50).map { UInt64($0) })
      channel.abort()
    }

    @Test("when writing fails, what the peer said before is still read")
    func lastWords() throws {
      let (channel, peer) = try client.openToRawPeer(loop)
      channel.pauseReading()
      try peer.send([0x81, 4] + Array("last".utf8) + [0x88, 2, 0x03, 0xF1])
      peer.close()
      // The first write provokes the reset, a later one meets it.
      for tag in 0..<50 where client.failures.isEmpty {
        channel.send(text: [UInt8](repeating: 65, count: 1000), tag: UInt64(tag))
        loop.runOnce(maxWait: 1_000_000)
      }
      channel.resumeReading()
      try loop.drive { client.failure != nil }
      // Linux keeps what came before a reset readable or drops it, depending on the moment: never a hang or a
      // crash.
      #expect(client.failure?.kind == .peerClosed || client.failure?.kind == .lost)
    }

    @Test(
      "100 connections in all manners of ending leave no descriptor behind",
      arguments: [false, true])
    func noLeak(secure: Bool) throws {
      let tls = try context(secure)
      let before = ProcessCounts.descriptors
      do {
        let server = try EchoServer(loop) { $0.tls = tls.server }
        for round in 0..<100 {
          let recorder = Recorder()
          let channel = WebSocketChannel(
            connecting: ConnectOptions(url: try server.url(), tls: tls.client), on: loop,
            delegate: recorder)
          if round % 5 == 0 {
            for _ in 0..<(round / 5) { loop.runOnce(maxWait: 0) }
            channel.abort()
            continue
          }
          try loop.drive { recorder.info != nil }
          channel.send(text: [65], tag: 1)
          switch round % 5 {
          case 1: channel.abort()
          case 2: channel.close(timeoutNanoseconds: 1_000_000_000)
          case 3: server.connections.last?.channel.close(timeoutNanoseconds: 1_000_000_000)
          default: server.connections.last?.channel.abort()
          }
          if round % 5 != 1 { try loop.drive { recorder.failure != nil } }
        }
        try loop.drive { server.connections.allSatisfy { !$0.channel.isOpen } }
        server.stop()
      }
      try loop.drive { ProcessCounts.descriptors <= before }
      #expect(ProcessCounts.descriptors == before)
    }

    @Test("channels and what they hold are freed when they end")
    func noLeakedObjects() throws {
      let server = try EchoServer(loop)
      weak var weakChannel: WebSocketChannel?
      weak var weakServerSide: WebSocketChannel?
      do {
        let channel = try open(server)
        weakChannel = channel
        weakServerSide = server.connections[0].channel
        channel.close(timeoutNanoseconds: 1_000_000_000)
        try loop.drive { client.failure != nil && server.connections[0].recorder.failure != nil }
      }
      server.stop()
      server.connections = []
      server.accepted = []
      loop.settle()
      #expect(weakChannel == nil)
      #expect(weakServerSide == nil)
    }
  }
}
