import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("Lifetimes: any order, twice, afterwards") struct LifetimeTests {
    private func silentPeer() throws -> ScriptedPeer {
      try ScriptedPeer { connection, request in connection.send(ServerEvent.created("resp_1")) }
    }

    @Test("a session works on when its client object is gone, a turn when its session is")
    func outlives() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      var session: Session? = try Client(.test(peer.url)).session(settings: "{}")
      #expect(try session?.finished("hello").text == "reply 1")
      let turn = try #require(try session?.start("again"))
      session = nil
      #expect(try turn.wait())
      #expect(turn.text == "reply 2")
    }

    @Test("a turn that is dropped while it runs is cancelled; the session's next turn runs")
    func droppedTurn() throws {
      let peer = try ScriptedPeer { connection, request in
        guard request.number == 1 else { return ScriptedPeer.echo(connection, request) }
        connection.send(ServerEvent.created("resp_1"))
      }
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      _ = try session.start("hello").next()
      #expect(try session.finished("next").text == "reply 2")
    }

    @Test("dropping everything closes the connection, with a turn running or without", arguments: [false, true])
    func droppedAll(isRunning: Bool) throws {
      let peer = isRunning ? try silentPeer() : try ScriptedPeer()
      defer { peer.stop() }
      do {
        let turn = try Client.session(peer.url).start("hello")
        #expect(try turn.next() != nil)
        if !isRunning { try turn.wait() }
        #expect(peer.openConnections.value == 1)
      }
      #expect(peer.openConnections.wait { $0 == 0 })
    }

    @Test("closing a client ends its turns as cancelled, says goodbye to the peer, and closes what is left")
    func closeClient() throws {
      let peer = try silentPeer()
      defer { peer.stop() }
      let client = try Client(.test(peer.url))
      let session = try client.session(settings: "{}")
      let running = try session.start("hello")
      let waiting = try session.start("behind it")
      #expect(try running.next() != nil)
      #expect(try client.close(timeout: .seconds(20)))
      #expect(peer.openConnections.wait { $0 == 0 })
      for turn in [running, waiting] {
        let error = try failure { try turn.wait() }
        #expect(error.status == .cancelled)
        #expect(turn.outcome == .cancelled)
      }
      #expect(try client.close())
      try expectClosed(client, session)
    }

    private func expectClosed(_ client: Client, _ session: Session) throws {
      #expect(try failure { _ = try client.session(settings: "{}") }.status == .closed)
      #expect(try failure { _ = try session.start("again") }.status == .closed)
      #expect(try failure { try session.connect() }.status == .closed)
      #expect(try failure { _ = try session.fullBody([]) }.status == .closed)
      #expect(try failure { _ = try session.responseID }.status == .closed)
      session.close()
    }

    @Test("a closed session is closed, its turns are cancelled; others of the client go on")
    func closeSession() throws {
      let peer = try ScriptedPeer { connection, request in
        request["user"] == nil
          ? connection.send(ServerEvent.created("resp_1")) : ScriptedPeer.echo(connection, request)
      }
      defer { peer.stop() }
      let client = try Client(.test(peer.url))
      let session = try client.session(settings: "{}")
      let turn = try session.start("hello")
      #expect(try turn.next() != nil)
      session.close()
      session.close()
      #expect(try failure { try turn.wait() }.status == .cancelled)
      let error = try failure { _ = try session.start("again") }
      #expect(error.status == .closed)
      #expect(error.message.contains("session is closed"))
      let other = try client.session(settings: #"{"user":"other"}"#)
      #expect(try other.finished("hello").text == "reply 2")
    }

    @Test("results of a turn can be read after everything was closed")
    func readAfterwards() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let client = try Client(.test(peer.url))
      let session = try client.session(settings: "{}")
      let turn = try session.finished("hello")
      session.close()
      try client.close()
      #expect(turn.text == "reply 1")
      #expect(turn.outcome == .completed)
      #expect(try turn.next() == nil)
      turn.cancel()
      #expect(turn.outcome == .completed)
    }

    @Test("the last object dropped inside a callback: the client ends after it")
    func droppedInCallback() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let held = Holder<Turn?>(nil)
      do {
        let session = try Client.session(peer.url)
        let (turn, launch) = try session.prepare(
          content: .new(TurnInput(json: Array(#""hello""#.utf8))), overrides: Settings(overrides: []),
          isWarmUp: false, limits: TurnLimits()
        ) { event in
          if event == nil { held.change { $0 = nil } }
        }
        held.change { $0 = turn }
        try launch()
      }
      #expect(held.wait { $0 == nil })
      #expect(peer.openConnections.wait { $0 == 0 })
    }

    @Test("when everything is dropped no descriptor and no thread stays; in a process of its own")
    func nothingStays() async {
      await #expect(processExitsWith: .success) {
        let authority = try Certificates.authority()
        let peers = [
          try ScriptedPeer(),
          try ScriptedPeer(tls: try Certificates.leaf(["127.0.0.1"], by: authority)),
          try ScriptedPeer { connection, _ in connection.send(ServerEvent.created("resp_1")) },
          try ScriptedPeer { connection, _ in connection.cut() },
        ]
        try Certificates.withFile(authority) { file in
          try Uses.all(peers, caFile: file)
          let before = ProcessCounts.now
          for _ in 0..<10 { try Uses.all(peers, caFile: file) }
          #expect(before.isReachedAgain { peers.allSatisfy { $0.openConnections.value == 0 } })
        }
      }
    }

    /// One client with each peer, left in the middle of things in different ways.
    private enum Uses {
      static func all(_ peers: [ScriptedPeer], caFile: String) throws {
        for (index, peer) in peers.enumerated() {
          var options = ClientOptions.test(peer.url)
          options.caFile = caFile
          let client = try Client(options)
          let session = try client.session(settings: "{}")
          _ = try session.descriptor
          let turn = try session.start("hello")
          _ = try? turn.next()
          _ = try? index == 2 ? turn.wait(timeout: .zero) : turn.wait()
          if index == 1 { try client.close() }
        }
        let refused = try Client.session("ws://127.0.0.1:1/v1")
        #expect(try failure { try refused.start("hello").wait() }.execution == .notSent)
        let untrusting = try Client.session(peers[1].url)
        #expect(try failure { try untrusting.start("hello").wait() }.status == .tlsUntrusted)
      }
    }
  }
}
