import CLinux
import Glibc
import RWSWebSocket
import Testing

@testable import RWSNetwork

/// The clocks of `LivenessClock` on real sockets, with short limits. What must *not* happen is shown by events
/// (so many pings answered), never by a time in which it did not.
extension NetworkTests {
  @Suite struct LivenessTests {
    let loop: EventLoop
    let client = Recorder()
    init() throws { loop = try EventLoop() }

    private static let millisecond: Int64 = 1_000_000

    private func open(
      _ configure: (inout LivenessLimits) -> Void
    ) throws -> (WebSocketChannel, RawPeer) {
      var limits = LivenessLimits.none
      configure(&limits)
      return try client.openToRawPeer(loop, limits)
    }

    @Test("a peer that answers pings and says nothing else lives")
    func answersPings() throws {
      let (channel, peer) = try open { $0.pingInterval = 20 * Self.millisecond }
      for _ in 0..<25 {
        try peer.receivePing()
        try peer.send([0x8A, 0x00])
      }
      #expect(client.failure == nil)
      #expect(channel.isOpen)
      channel.abort()
    }

    @Test("a peer that answers no ping is dead after the interval that follows the last")
    func dead() throws {
      let (channel, peer) = try open { $0.pingInterval = 50 * Self.millisecond }
      let start = MonotonicClock.now()
      try loop.drive { client.failure != nil }
      #expect(MonotonicClock.now() - start >= 200 * Self.millisecond)
      #expect(client.failures.map(\.kind) == [.dead])
      let message = client.failure?.message ?? ""
      #expect(message.contains("3 pings were not answered"))
      #expect(message.contains("nothing came for "))
      #expect(client.failure?.closeCode == 1006)
      #expect(!channel.isOpen)
      try peer.receive { _ in peer.sawEnd }
      // Three pings of six bytes, and no close frame: nobody would answer it.
      #expect(peer.received.count == 18)
    }

    @Test("one byte per interval is life, though no message ever gets whole")
    func trickle() throws {
      let (channel, peer) = try open {
        $0.pingInterval = 20 * Self.millisecond
        $0.missedPongsMax = 1
      }
      try peer.send([0x81, 125])
      for _ in 0..<20 {
        // The next byte comes only when the silence has been long enough for a ping.
        try peer.receivePing()
        try peer.send([65])
      }
      #expect(client.failure == nil)
      channel.abort()
    }

    @Test("behind a relay that stops forwarding the server is found dead, and the server finds no close")
    func blackhole() throws {
      let server = try EchoServer(loop)
      defer { server.stop() }
      let relay = try RawServer(loop)
      var options = ConnectOptions(url: try relay.url())
      options.liveness = .none
      options.liveness.pingInterval = 50 * Self.millisecond
      let channel = WebSocketChannel(connecting: options, on: loop, delegate: client)
      let (near, far) = (
        try relay.accept(), try RawPeer.connect(loop, port: server.listener.port)
      )
      try loop.drive {
        near.forward(to: far)
        far.forward(to: near)
        if client.info != nil, client.texts.isEmpty { channel.send(text: [65], tag: 1) }
        return !client.texts.isEmpty
      }
      // From here on nobody forwards.
      try loop.drive { client.failure != nil }
      #expect(client.failure?.kind == .dead)
      #expect(server.connections.first?.channel.isOpen == true)
    }

    @Test("a peer that stops reading stalls; the message names the bytes")
    func stalled() throws {
      let (channel, peer) = try open { $0.writeStall = 200 * Self.millisecond }
      channel.send(text: [UInt8](repeating: 65, count: 32 << 20), tag: 1)
      #expect(channel.queuedBytes > 0)
      try loop.drive { client.failure != nil }
      #expect(client.failure?.kind == .stalled)
      #expect(client.failure?.message.contains("bytes that wait to be sent") == true)
      #expect(client.flushed.isEmpty)
      _ = peer
    }

    @Test("a peer that reads slowly does not stall")
    func slowReader() throws {
      let (channel, peer) = try open { $0.writeStall = 5_000 * Self.millisecond }
      channel.send(text: [UInt8](repeating: 65, count: 32 << 20), tag: 1)
      try loop.drive {
        peer.poll()
        return client.flushed == [1]
      }
      #expect(client.failure == nil)
      // With nothing queued no timer is left: nothing can stall.
      channel.abort()
    }

    @Test("a slow consumer is not a dead peer: while reading is paused no ping is sent, nothing is dead")
    func paused() throws {
      let (channel, peer) = try open {
        $0.pingInterval = 10 * Self.millisecond
        $0.missedPongsMax = 1
        $0.writeStall = 10 * Self.millisecond
      }
      channel.pauseReading()
      channel.send(text: [UInt8](repeating: 65, count: 32 << 20), tag: 1)
      #expect(channel.queuedBytes > 0)
      // Long after both limits by the loop's own timers.
      var isLate = false
      loop.schedule(at: MonotonicClock.deadline(after: 200 * Self.millisecond)) { isLate = true }
      try loop.drive { isLate }
      #expect(client.failure == nil)
      #expect(channel.isOpen)
      try peer.send([0x81, 2] + Array("hi".utf8))
      channel.resumeReading()
      try loop.drive { client.texts.count == 1 || client.failure != nil }
      #expect(client.strings == ["hi"])
      channel.abort()
    }

    @Test("a callback that holds the loop up beyond the limits kills nobody: what came meanwhile is read first")
    func heldUp() throws {
      let (channel, peer) = try open {
        $0.pingInterval = 20 * Self.millisecond
        $0.missedPongsMax = 1
      }
      try peer.receivePing()
      loop.schedule(at: 0) { usleep(50_000) }
      try peer.send([0x81, 2] + Array("hi".utf8))
      try loop.drive { client.texts.count == 1 || client.failure != nil }
      #expect(client.strings == ["hi"])
      #expect(client.failure == nil)
      channel.abort()
    }

    @Test("a standstill drops the connection at once, without a close frame")
    func suspended() throws {
      let (_, peer) = try open {
        $0.pingInterval = 20 * Self.millisecond
        $0.standstill = 10_000 * Self.millisecond
      }
      try peer.receivePing()
      let start = peer.received.count
      loop.sleepFor(seconds: 30)
      try peer.send([0x8A, 0x00])
      try loop.drive { client.failure != nil }
      #expect(client.failure?.kind == .suspended)
      #expect(client.failure?.message.contains("stood still for 30 s") == true)
      try peer.receive { _ in peer.sawEnd }
      // Pings perhaps, six bytes each with a random key, and no close frame.
      let frames = stride(from: start, to: peer.received.count, by: 6)
      #expect(frames.allSatisfy { peer.received[$0] == 0x89 })
    }

    @Test("after a standstill a message is refused, not sent where nobody may listen; the end follows")
    func suspendedSend() throws {
      let (channel, peer) = try open { $0.standstill = 10_000 * Self.millisecond }
      #expect(channel.send(text: [65], tag: 1))
      loop.sleepFor(seconds: 30)
      #expect(!channel.send(text: [66], tag: 2))
      #expect(!channel.isOpen)
      #expect(client.failures.isEmpty)
      #expect(!channel.send(text: [67], tag: 3))
      try loop.drive { client.failure != nil }
      #expect(client.failures.map(\.kind) == [.suspended])
      #expect(client.flushed == [1])
      try peer.receive { _ in peer.sawEnd }
      #expect(peer.received.count == 7)
    }

    @Test("abort after a message was refused for a standstill: no call follows")
    func suspendedAbort() throws {
      let (channel, _) = try open { $0.standstill = 10_000 * Self.millisecond }
      loop.sleepFor(seconds: 30)
      #expect(!channel.send(text: [66], tag: 2))
      channel.abort()
      loop.settle()
      #expect(client.failures.isEmpty)
    }

    @Test("an idle connection is closed in good order")
    func idle() throws {
      let (_, peer) = try open { $0.idle = 50 * Self.millisecond }
      try peer.receive { $0.count >= 8 }
      #expect(peer.received[0] == 0x88)
      try peer.send([0x88, 2, 0x03, 0xE8])
      peer.close()
      try loop.drive { client.failure != nil }
      #expect(client.failures.map(\.kind) == [.closedLocally])
    }

    @Test("a connection in use is not idle, however silent")
    func inUse() throws {
      let (channel, peer) = try open {
        $0.idle = 30 * Self.millisecond
        $0.pingInterval = 20 * Self.millisecond
      }
      channel.isInUse = true
      for _ in 0..<10 {
        try peer.receivePing()
        try peer.send([0x8A, 0x00])
      }
      #expect(channel.isOpen)
      channel.isInUse = false
      try loop.drive { !channel.isOpen }
      channel.abort()
    }

    @Test("whatever way a connection ends, its timer goes with it", arguments: 0..<4)
    func timersEnd(way: Int) throws {
      weak var weakChannel: WebSocketChannel?
      do {
        let (channel, peer) = try client.openToRawPeer(loop, LivenessLimits())
        weakChannel = channel
        switch way {
        case 0: channel.abort()
        case 1:
          channel.close(timeoutNanoseconds: Self.millisecond)
          try loop.drive { client.failure != nil }
        case 2:
          peer.reset()
          try loop.drive { client.failure != nil }
        default:
          try peer.send([0x81, 0x80, 0, 0, 0, 0])
          peer.close()
          try loop.drive { client.failure != nil }
        }
      }
      loop.settle()
      #expect(weakChannel == nil)
    }
  }
}

extension EventLoop {
  /// From now on the clocks say that the machine has slept.
  fileprivate func sleepFor(seconds: Int64) {
    readClocks = { starved in
      var reading = ClockReading.now(starved: starved)
      reading.boot += seconds * 1_000_000_000
      return reading
    }
  }
}

extension RawPeer {
  /// Waits for a client's ping without payload, and takes it.
  fileprivate func receivePing() throws {
    try receive { $0.count >= taken + 6 }
    #expect(received[taken] == 0x89)
    taken += 6
  }

  fileprivate func forward(to other: RawPeer) {
    poll()
    let bytes = received[taken...]
    taken = received.count
    let descriptor = other.descriptor
    bytes.withUnsafeBytes { _ = Socket.send(descriptor, $0.baseAddress, $0.count) }
  }
}
