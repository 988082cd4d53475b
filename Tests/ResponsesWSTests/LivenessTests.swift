import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("Liveness: a connection that is gone costs a turn its time at most, an idle one nothing")
  struct LivenessTests {
    /// Answers requests on its first connection with `events`, then reads nothing more, so that no ping is
    /// answered; on later ones in full.
    private func deafPeer(_ events: [String]) throws -> ScriptedPeer {
      try ScriptedPeer { connection, request in
        guard request.connection == 1 else { return ScriptedPeer.echo(connection, request) }
        connection.send(events)
        connection.stopReading()
      }
    }

    private func quickly(_ options: inout ClientOptions) {
      // Long enough for a peer's thread on a busy machine, which must answer within three of them.
      options.pingInterval = .milliseconds(300)
      options.missedPongsMax = 2
    }

    @Test("under a turn: connection lost, saying how long nothing came; the session goes on")
    func turn() throws {
      let peer = try deafPeer([ServerEvent.created("resp_1")])
      defer { peer.stop() }
      let session = try Client.session(peer.url, quickly)
      let error = try failure { try session.start("hello").wait() }
      #expect(error.status == .connectionLost)
      #expect(error.execution == .unknown)
      #expect(error.message.contains("is dead: nothing came for "))
      #expect(error.message.contains("2 pings were not answered"))
      #expect(try session.finished("next").text == "reply 2")
      #expect(peer.requests.value.map(\.connection) == [1, 2])
    }

    @Test("an idle connection that is found dead is dropped in silence; the next turn connects anew")
    func idle() throws {
      let peer = try deafPeer(ServerEvent.reply("resp_1", "one"))
      defer { peer.stop() }
      let lines = Holder<[String]>([])
      let session = try Client.session(peer.url) {
        quickly(&$0)
        $0.logLevel = .info
        $0.log = { _, line in lines.note(line) }
      }
      #expect(try session.finished("hello").text == "one")
      #expect(lines.wait { $0.contains { $0.contains("connection ended") && $0.contains("is dead") } })
      #expect(try session.finished("next").text == "reply 2")
      #expect(peer.requests.value.map(\.connection) == [1, 2])
      // The new connection's server holds nothing of the first response.
      #expect(peer.requests.value.last?.input.count == 3)
    }

    @Test("a turn that waits for its events makes no idle connection; after it the idle time counts")
    func idleTimeout() throws {
      let peer = try ScriptedPeer { connection, request in
        connection.later(milliseconds: 150) { ScriptedPeer.echo(connection, request) }
      }
      defer { peer.stop() }
      let session = try Client.session(peer.url) { $0.idleTimeout = .milliseconds(50) }
      #expect(try session.finished("hello").text == "reply 1")
      #expect(peer.openConnections.wait { $0 == 0 })
      #expect(try session.finished("next").text == "reply 2")
      #expect(peer.requests.value.map(\.connection) == [1, 2])
    }

    @Test("limits out of range are refused", arguments: [-1, 0, 1001])
    func refused(missed: Int) throws {
      var options = ClientOptions.test("ws://127.0.0.1:1/v1")
      options.missedPongsMax = missed
      let error = try failure { _ = try Client(options) }
      #expect(error.status == .invalidArgument)
      #expect(error.message.contains("missed_pongs_max"))
    }
  }
}
