import Testing

@testable import RWSClient
import ResponsesWS

extension SwiftFace {
  @Suite("Reading a turn with for try await") struct AsyncReadingTests {
    /// A peer whose first response does not end by itself.
    private func openEnded(_ events: [String] = [ServerEvent.created("resp_1")]) throws
      -> ScriptedPeer
    {
      try ScriptedPeer { connection, request in
        guard request.number == 1 else { return ScriptedPeer.echo(connection, request) }
        connection.send(events)
      }
    }

    @Test("every event, in order, to the end")
    func events() async throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      var kinds: [EventKind] = []
      for try await event in turn { kinds.append(event.kind) }
      #expect(kinds == ReadingTests.kinds)
      for try await _ in turn { Issue.record("an event after the end") }
    }

    @Test("events that come one by one wake the reader one by one")
    func oneByOne() async throws {
      let peer = try openEnded()
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      var texts: [String] = []
      for try await event in turn {
        if event.kind == .outputTextDelta { texts.append(event.delta) }
        let count = texts.count
        peer.onConnection {
          $0.send(
            count < 20 ? ServerEvent.textDelta("\(count)") : ServerEvent.completed("resp_1"))
        }
      }
      #expect(texts == (0..<20).map { "\($0)" })
    }

    @Test("the error that ends the turn is thrown by the loop")
    func error() async throws {
      let peer = try ScriptedPeer { connection, _ in
        connection.send(ServerEvent.created("resp_1"))
        connection.cutWhenFlushed()
      }
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      var seen = 0
      let error = try await failure { for try await _ in turn { seen += 1 } }
      #expect(seen == 1)
      #expect(error.status == .connectionLost)
      #expect(error.execution == .unknown)
    }

    @Test("a cancelled task cancels the turn that it waits for")
    func cancelledTask() async throws {
      let peer = try openEnded()
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      let turn = try session.start("hello")
      let isReading = Holder(false)
      let task = Task {
        for try await _ in turn { isReading.change { $0 = true } }
      }
      #expect(isReading.wait { $0 })
      // A handler that waited for the I/O thread took all of its patience, ten seconds.
      #expect(ContinuousClock().measure { task.cancel() } < ClientCore.loopPatience / 2)
      let error = try await failure { try await task.value }
      #expect(error.status == .cancelled)
      #expect(turn.outcome == .cancelled)
      #expect(try session.finished("next").text == "reply 2")
    }

    @Test("a cancelled task cancels the turn even if it never has to wait for an event")
    func cancelledBusyTask() async throws {
      let peer = try openEnded(
        [ServerEvent.created("resp_1")] + (0..<100).map { ServerEvent.textDelta("\($0) ") })
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      let isEnough = Holder(false)
      let task = Task {
        for try await _ in turn where turn.text.hasSuffix("99 ") {
          isEnough.change { $0 = true }
          withUnsafeCurrentTask { $0?.cancel() }
        }
      }
      let error = try await failure { try await task.value }
      #expect(isEnough.value)
      #expect(error.status == .cancelled)
      #expect(turn.outcome == .cancelled)
    }

    @Test("a task that was cancelled before it began to read cancels the turn, too")
    func cancelledBefore() async throws {
      let peer = try openEnded([])
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      let task = Task {
        withUnsafeCurrentTask { $0?.cancel() }
        for try await _ in turn {}
      }
      #expect(try await failure { try await task.value }.status == .cancelled)
    }

    @Test("a loop that is left early: the turn goes on, and can be read on")
    func leftEarly() async throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      for try await event in turn where event.kind == .outputItemAdded { break }
      var rest: [EventKind] = []
      for try await event in turn { rest.append(event.kind) }
      #expect(rest == Array(ReadingTests.kinds.dropFirst(2)))
    }

    @Test("a turn that is dropped after its loop was left early is cancelled, and the session goes on")
    func dropped() async throws {
      let peer = try openEnded()
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      for try await _ in try session.start("hello") { break }
      let next = try session.start("next")
      for try await _ in next {}
      #expect(next.text == "reply 2")
    }

    @Test("two tasks that read one turn and wait: both are told of its end, none hangs")
    func twoReaders() async throws {
      let peer = try openEnded([])
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      let tasks = (0..<3).map { _ in Task { for try await _ in turn {} } }
      turn.cancel()
      for task in tasks {
        #expect(try await failure { try await task.value }.status == .cancelled)
      }
    }

    @Test("48 sessions of one client, each read by its own task, three turns each")
    func manyTasks() async throws {
      let peer = try ScriptedPeer { connection, request in
        connection.send(ServerEvent.reply("resp_\(request.number)", "\(request.input.count)"))
      }
      defer { peer.stop() }
      let client = try Client(.test(peer.url))
      let texts = try await withThrowingTaskGroup(of: [String].self) { group in
        for index in 0..<48 {
          group.addTask {
            let session = try client.session(settings: #"{"model":"test","user":"\#(index)"}"#)
            var texts: [String] = []
            for _ in 0..<3 {
              let turn = try session.start("hello")
              for try await event in turn where event.kind == .outputTextDelta {
                texts.append(event.delta)
              }
            }
            return texts
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(texts == Array(repeating: ["1", "1", "1"], count: 48))
      #expect(peer.requests.value.count == 144)
      #expect(Set(peer.requests.value.map(\.connection)).count <= 48)
    }

    @Test("32 turns of one session, started at once by as many tasks, run one after the other")
    func manyTurns() async throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      let texts = try await withThrowingTaskGroup(of: String.self) { group in
        for index in 0..<32 {
          group.addTask {
            let turn = try session.start("\(index)")
            for try await _ in turn {}
            return turn.text
          }
        }
        return try await group.reduce(into: Set()) { $0.insert($1) }
      }
      #expect(texts.count == 32)
      let requests = peer.requests.value
      #expect(requests.map(\.connection) == Array(repeating: 1, count: 32))
      for request in requests.dropFirst() {
        #expect(request["previous_response_id"] == "\"resp_\(request.number - 1)\"")
      }
    }
  }
}
