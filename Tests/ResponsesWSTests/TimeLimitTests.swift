import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("Time limits: expiry is a cancel, and the session goes on") struct TimeLimitTests {
    private static let short = Duration.milliseconds(60)

    /// A peer that sends `events` to the first request and nothing more; later requests are answered.
    private func silentPeer(after events: String...) throws -> ScriptedPeer {
      try ScriptedPeer { connection, request in
        guard request.number == 1 else { return ScriptedPeer.echo(connection, request) }
        connection.send(events)
      }
    }

    private func expectExpiry(
      _ peer: ScriptedPeer, _ status: Status, _ execution: Execution, _ words: String,
      of configure: (inout Session.TurnOptions) -> Void
    ) throws {
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      var options = Session.TurnOptions()
      configure(&options)
      let turn = try session.start("hello", options: options)
      let error = try failure { while try turn.next() != nil {} }
      #expect(error.status == status)
      #expect(error.execution == execution)
      #expect(error.message.contains(words))
      #expect(error.message.contains("the server may still work on it"))
      #expect(turn.outcome == .cancelled)
      // The unfinished response occupies its connection: the session goes on with another.
      #expect(try session.finished("next").text == "reply 2")
      #expect(peer.requests.value.map(\.connection) == [1, 2])
    }

    @Test("no event at all: the first-event timeout; it may have run")
    func firstEvent() throws {
      try expectExpiry(try silentPeer(), .firstEventTimeout, .unknown, "first-event timeout") {
        $0.firstEventTimeout = Self.short
      }
    }

    @Test("no further event: the event-gap timeout")
    func gap() throws {
      let peer = try silentPeer(after: ServerEvent.created("resp_1"), ServerEvent.textDelta("a"))
      try expectExpiry(peer, .eventGapTimeout, .outputSeen, "event-gap timeout") {
        $0.eventGapTimeout = Self.short
      }
    }

    @Test("a turn that goes on and on: its own timeout")
    func total() throws {
      let peer = try ScriptedPeer { connection, request in
        guard request.number == 1 else { return ScriptedPeer.echo(connection, request) }
        connection.send(ServerEvent.created("resp_1"))
        @Sendable func goOn(_ connection: PeerConnection) {
          connection.send(#"{"type":"keepalive"}"#)
          connection.later(milliseconds: 10) { goOn(connection) }
        }
        goOn(connection)
      }
      try expectExpiry(peer, .turnTimeout, .unknown, "within its timeout") {
        $0.turnTimeout = .milliseconds(100)
        $0.eventGapTimeout = .seconds(20)
      }
    }

    @Test("connecting counts for the turn's timeout")
    func totalWhileConnecting() throws {
      let peer = try RawPeer(.init(), accepts: false)
      defer { peer.stop() }
      let session = try Client.session(peer.url) { $0.turnTimeout = Self.short }
      let error = try failure { try session.start("hello").wait() }
      #expect(error.status == .turnTimeout)
      #expect(error.execution == .notSent)
    }

    @Test("a turn that waits behind another expires by its own timeout; the other goes on")
    func totalWhileWaiting() throws {
      let peer = try silentPeer(after: ServerEvent.created("resp_1"))
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      let first = try session.start("hello")
      var options = Session.TurnOptions()
      options.turnTimeout = Self.short
      let error = try failure { try session.start("next", options: options).wait() }
      #expect(error.status == .turnTimeout)
      #expect(error.execution == .notSent)
      #expect(first.outcome == .running)
      peer.onConnection { $0.send(ServerEvent.completed("resp_1")) }
      #expect(try first.wait())
      #expect(peer.requests.value.count == 1)
    }

    @Test("events keep the gap from expiring; a limit that is not reached has no effect")
    func notExpired() throws {
      let peer = try ScriptedPeer { connection, _ in
        connection.send(ServerEvent.created("resp_1"))
        for index in 1...5 {
          connection.later(milliseconds: Int64(20 * index)) {
            connection.send(ServerEvent.textDelta("\(index)"))
            if index == 5 { connection.send(ServerEvent.completed("resp_1")) }
          }
        }
      }
      defer { peer.stop() }
      var options = Session.TurnOptions()
      options.eventGapTimeout = .seconds(5)
      options.firstEventTimeout = .seconds(Int64.max)
      let turn = try Client.session(peer.url).start("hello", options: options)
      #expect(try turn.wait())
      #expect(turn.text == "12345")
    }

    @Test("waiting calls return in time with nothing when nothing happens")
    func boundedWaits() throws {
      let peer = try silentPeer(after: ServerEvent.created("resp_1"))
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      let turn = try session.start("hello")
      guard case .event = try turn.next(within: .seconds(20)) else {
        Issue.record("no event")
        return
      }
      for timeout in [Duration.zero, .milliseconds(-5), .milliseconds(20)] {
        guard case .nothingYet = try turn.next(within: timeout) else {
          Issue.record("something came")
          return
        }
        #expect(try !turn.wait(timeout: timeout))
      }
      #expect(turn.outcome == .running)
      #expect(turn.error == nil)
      turn.cancel()
      #expect(turn.outcome == .cancelled)
    }
  }
}
