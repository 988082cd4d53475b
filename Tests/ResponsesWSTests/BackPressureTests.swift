import RWSProtocol
import ResponsesWS
import Testing

@testable import struct RWSClient.ClientOptions
@testable import class RWSClient.TurnCore

extension SwiftFace {
  @Suite("A reader that is slower than its stream") struct BackPressureTests {
    private static let deltaBytes = 64 << 10
    private static let deltas = 640
    private static let streamBytes = deltas * deltaBytes

    /// Answers requests that ask for it with 40 MiB of text, others with a word.
    private func fastPeer() throws -> ScriptedPeer {
      let delta = String(repeating: "x", count: Self.deltaBytes)
      return try ScriptedPeer { connection, request in
        guard request["user"] == #""slow""# else { return ScriptedPeer.echo(connection, request) }
        connection.send(ServerEvent.created("resp_1"))
        for _ in 0..<Self.deltas { connection.send(ServerEvent.textDelta(delta)) }
        connection.send(ServerEvent.completed("resp_1"))
      }
    }

    /// Reads nothing until no more comes in: what waits then is all that the library takes.
    private func unreadBytes(_ turn: Turn) async throws -> Int {
      var last = -1
      while turn.stats.receivedBytes != last || last < EventQueue.bytesMax {
        try #require(turn.outcome == .running)
        last = turn.stats.receivedBytes
        try await Task.sleep(for: .milliseconds(20))
      }
      return last
    }

    @Test("the stream stops at the bound, other sessions go on, and in the end everything was read")
    func bounded() async throws {
      let peer = try fastPeer()
      defer { peer.stop() }
      let client = try Client(.test(peer.url))
      let turn = try client.session(settings: #"{"user":"slow"}"#).start("hello")
      let unread = try await unreadBytes(turn)
      // Beyond the bound by one burst from the socket at most.
      #expect(unread < EventQueue.bytesMax + (4 << 20))
      #expect(try client.session(settings: "{}").finished("hello").text.hasPrefix("reply"))
      var read = 0
      for try await event in turn where event.kind == .outputTextDelta {
        read += event.withDelta { $0.count }
      }
      #expect(read == Self.streamBytes)
      #expect(turn.outcome == .completed)
    }

    @Test("wait() needs no reading: it takes the stream to its end")
    func wait() async throws {
      let peer = try fastPeer()
      defer { peer.stop() }
      let turn = try Client.session(peer.url, settings: #"{"user":"slow"}"#).start("hello")
      _ = try await unreadBytes(turn)
      #expect(try turn.wait())
      #expect(turn.text.utf8.count == Self.streamBytes)
    }

    @Test("a slow turn that is dropped or cancelled leaves the session usable", arguments: [false, true])
    func dropped(cancels: Bool) async throws {
      let peer = try fastPeer()
      defer { peer.stop() }
      let session = try Client.session(peer.url, settings: #"{"user":"slow"}"#)
      var turn: Turn? = try session.start("hello")
      _ = try await unreadBytes(try #require(turn))
      if cancels { turn?.cancel() }
      turn = nil
      var options = Session.TurnOptions()
      options.overrides = #"{"user":null}"#
      options.firstEventTimeout = .seconds(10)
      let next = try session.start("next", options: options)
      #expect(try next.wait())
      #expect(next.text.hasPrefix("reply"))
    }

    @Test("a turn that ended with a full queue, unread, does not hold up the session's next one")
    func endedUnread() async throws {
      // One message fills the queue, and the end comes with it.
      let peer = try ScriptedPeer { connection, request in
        guard request.number == 1 else { return ScriptedPeer.echo(connection, request) }
        let half = String(repeating: "x", count: EventQueue.bytesMax)
        connection.send(
          ServerEvent.textDelta(half), ServerEvent.textDelta("y"), ServerEvent.completed("resp_1"))
      }
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      let first = try session.start("hello")
      while first.stats.receivedBytes <= EventQueue.bytesMax {
        try await Task.sleep(for: .milliseconds(5))
      }
      // The end may be behind the bound: then reading one event brings it.
      if first.outcome == .running { _ = try first.next() }
      while first.outcome == .running { try await Task.sleep(for: .milliseconds(5)) }
      #expect(try session.finished("next").text == "reply 2")
      var text = 0
      while let event = try first.next() { text += event.withDelta { $0.count } }
      #expect(text <= EventQueue.bytesMax + 1)
    }
  }
}
