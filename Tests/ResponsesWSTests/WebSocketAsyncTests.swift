import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("A raw connection without waiting threads") struct WebSocketAsyncTests {
    @Test("connect, send, receive, flush and close")
    func whole() async throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let socket = try WebSocketTests.socket(peer.url)
      try await socket.connect()
      for number in 0..<100 {
        try socket.send("\(number)")
        #expect(try await socket.receive()?.text == "\(number)")
      }
      try await socket.flush()
      #expect(try await socket.close())
      #expect(try await socket.receive() == nil)
    }

    @Test("for try await reads to a good end, and throws another")
    func sequence() async throws {
      for code in [1000, 4000] as [UInt16] {
        let peer = try ScriptedPeer { connection, _ in
          connection.send("1", "2")
          connection.close(code: code)
        }
        defer { peer.stop() }
        let socket = try WebSocketTests.socket(peer.url)
        try socket.send("go")
        var texts: [String] = []
        do {
          for try await message in socket { texts.append(message.text) }
          #expect(code == 1000)
        } catch let error as ResponsesError {
          #expect(error.closeCode == 4000)
        }
        #expect(texts == ["1", "2"])
      }
    }

    @Test("a cancelled reader gets a CancellationError; the connection goes on")
    func cancelled() async throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let socket = try WebSocketTests.socket(peer.url)
      for _ in 0..<50 {
        let task = Task { try await socket.receive() }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
      }
      try socket.send("still there")
      #expect(try await socket.receive()?.text == "still there")
    }

    @Test("a connection that cannot be made throws why")
    func refused() async throws {
      let socket = try WebSocketTests.socket("ws://127.0.0.1:1/v1")
      let error = try await failure { try await socket.connect() }
      #expect(error.status == .connectRefused)
    }
  }
}
