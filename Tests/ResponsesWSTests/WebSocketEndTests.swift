import RWSNetwork
import Testing

@testable import RWSClient
import ResponsesWS

extension SwiftFace {
  @Suite("How a raw connection ends") struct WebSocketEndTests {
    @Test(
      "the peer's close code and reason; 1000, 1001 and none are a good end, others an error",
      arguments: [1000, 1001, 1008, 1011, 4000] as [UInt16])
    func peerCloses(code: UInt16) throws {
      let peer = try ScriptedPeer { connection, _ in connection.close(code: code, reason: "so be it") }
      defer { peer.stop() }
      let socket = try WebSocketTests.socket(peer.url)
      try socket.send("close")
      if code <= 1001 {
        #expect(try socket.receive() == nil)
        #expect(socket.error == nil)
      } else {
        let error = try failure { _ = try socket.receive() }
        #expect(error.status == .peerClosed)
        #expect(error.closeCode == Int32(code))
        #expect(error.message.contains("so be it"))
      }
      #expect(socket.peerClose == .init(code: code, reason: "so be it"))
      #expect(try socket.close())
      #expect(try failure { try socket.send("late") }.closeCode == (code <= 1001 ? 0 : Int32(code)))
    }

    @Test("a connection that is cut is an error, 1006; what came before is read first")
    func cut() throws {
      let peer = try ScriptedPeer { connection, _ in
        connection.send("last words")
        connection.cutWhenFlushed()
      }
      defer { peer.stop() }
      let socket = try WebSocketTests.socket(peer.url)
      try socket.send("cut")
      #expect(try WebSocketTests.next(socket).text == "last words")
      #expect(try failure { _ = try socket.receive() }.status == .connectionLost)
      #expect(socket.peerClose?.code == 1006)
    }

    @Test("our close is answered; what was sent before it arrives, what comes after is discarded")
    func close() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let socket = try WebSocketTests.socket(peer.url)
      #expect(try socket.connect())
      for number in 0..<50 { try socket.send("\(number)") }
      #expect(try socket.close(code: 4321, reason: "bye"))
      #expect(peer.requests.wait { $0.count == 50 })
      #expect(socket.state == .ended)
      #expect(socket.error == nil)
      #expect(socket.peerClose?.code == 4321)
      while try socket.receive() != nil {}
      #expect(try socket.close())
      #expect(try failure { try socket.send("late") }.status == .closed)
    }

    @Test("a peer that does not answer our close: false, when the time is over and not before")
    func silent() throws {
      let peer = try ScriptedPeer { connection, _ in
        connection.send("heard")
        connection.stopReading()
      }
      defer { peer.stop() }
      let socket = try WebSocketTests.socket(peer.url)
      try socket.send("stop reading")
      #expect(try WebSocketTests.next(socket).text == "heard")
      #expect(try socket.close(timeout: .zero) == false)
      #expect(socket.state == .closing)
      #expect(try failure { try socket.send("late") }.status == .closed)
      // A second call sets another limit.
      #expect(try socket.close(timeout: .milliseconds(20)) == false)
      #expect(socket.state == .ended)
      #expect(try socket.receive() == nil)
    }

    @Test("codes and reasons that may not be sent are refused", arguments: [0, 999, 1005, 1006, 1015, 2999, 5000])
    func badCodes(code: Int) throws {
      let socket = try WebSocketTests.socket("ws://127.0.0.1:1/v1")
      #expect(
        try failure { try socket.close(code: UInt16(code)) }.status == .invalidArgument)
      #expect(
        try failure { try socket.close(reason: String(repeating: "é", count: 62)) }.status
          == .invalidArgument)
    }

    @Test("a connection that is still being made is given up by close")
    func closeWhileConnecting() throws {
      let peer = try RawPeer(.init(answer: ""))
      defer { peer.stop() }
      let socket = try WebSocketTests.socket(peer.url)
      #expect(try socket.connect(timeout: .milliseconds(5)) == false)
      #expect(socket.state == .connecting)
      #expect(try socket.close())
      #expect(try failure { try socket.connect() }.status == .closed)
      #expect(try socket.receive() == nil)
    }

    @Test("what was sent before the connection was open still goes out when it is closed at once")
    func closeEarly() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let socket = try WebSocketTests.socket(peer.url)
      for number in 0..<20 { try socket.send("\(number)") }
      #expect(try socket.close(code: 4001))
      #expect(socket.peerClose?.code == 4001)
      #expect(peer.requests.value.count == 20)
      // No longer than the time allows.
      let mute = try RawPeer(.init(answer: ""))
      defer { mute.stop() }
      let hopeless = try WebSocketTests.socket(mute.url)
      try hopeless.send("never")
      #expect(try hopeless.close(timeout: .milliseconds(20)) == false)
      #expect(hopeless.state == .ended)
    }

    @Test("the client's close ends its connections in good order; they say so")
    func clientCloses() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let client = try Client(.test(peer.url))
      let sockets = [try client.socket(), try client.socket()]
      for socket in sockets { #expect(try socket.connect()) }
      #expect(try client.close(timeout: .seconds(20)))
      #expect(peer.openConnections.wait { $0 == 0 })
      for socket in sockets {
        #expect(try failure { _ = try socket.receive() }.status == .closed)
        #expect(try failure { try socket.send("late") }.status == .closed)
        #expect(try socket.connect())
        #expect(try socket.close())
      }
      #expect(try failure { _ = try client.socket() }.status == .closed)
    }

    @Test("the client's close waits for silent peers as long as it was told, and says that they were silent")
    func silentPeers() throws {
      let peer = try ScriptedPeer { connection, _ in
        connection.send("heard")
        connection.stopReading()
      }
      defer { peer.stop() }
      // Longer than the time that a peer has by default.
      for timeout in [Duration.milliseconds(20), .milliseconds(5500)] {
        let client = try Client(.test(peer.url))
        let socket = try client.socket()
        try socket.send("stop reading")
        _ = try WebSocketTests.next(socket)
        #expect(try client.close(timeout: timeout) == false)
      }
    }

    @Test("a connection that is dropped is cut; one dropped in its callback, after that")
    func dropped() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let client = try Client(.test(peer.url))
      do {
        let socket = try client.socket()
        #expect(try socket.connect())
        #expect(peer.openConnections.wait { $0 == 1 })
      }
      #expect(peer.openConnections.wait { $0 == 0 })
      let held = Holder<WebSocket?>(nil)
      held.change { $0 = try? client.socket { _, _ in held.change { $0 = nil } } }
      try held.value?.send("go")
      #expect(held.wait { $0 == nil })
      #expect(peer.openConnections.wait { $0 == 0 })
    }

    @Test("the client's object may go first")
    func clientGone() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let socket = try Client(.test(peer.url)).socket()
      try socket.send("hello")
      #expect(try WebSocketTests.next(socket).text == "hello")
    }

    @Test("many threads send, one reads: nothing is lost or torn")
    func threads() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let socket = try WebSocketTests.socket(peer.url)
      for thread in 0..<8 {
        Background.run {
          for number in 0..<200 { try? socket.send("\(thread) \(number)") }
        }
      }
      var last = [Int](repeating: -1, count: 8)
      for _ in 0..<1600 {
        let parts = try WebSocketTests.next(socket).text.split(separator: " ").compactMap { Int($0) }
        try #require(parts.count == 2)
        #expect(parts[1] == last[parts[0]] + 1)
        last[parts[0]] = parts[1]
      }
    }
  }
}
