import RWSJSON
import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("Compaction and exact counts, with the local server") struct CompactionTests {
    private static let settings = #"{"model":"rules","store":false,"instructions":"be exact"}"#

    private func session(_ server: LocalServer, _ settings: String = settings) throws -> Session {
      try Client.session(server.url, settings: settings)
    }

    private func types(_ compaction: Compaction) throws -> [String] {
      try JSONValue(parsing: compaction.output).elements.map { $0["type"]?.string ?? "" }
    }

    @Test("the next turn sends the compacted window, the one after continues it; the model sees it all")
    func compacts() async throws {
      let server = try LocalServer()
      let session = try session(server)
      for number in 1...5 { _ = try session.finished("REASON about \(number)") }
      let whole = try session.fullBody([]).utf8.count
      let compaction = try #require(try session.compact(timeout: .seconds(20)))
      #expect(try types(compaction) == Array(repeating: "message", count: 5) + ["compaction"])
      #expect(try #require(compaction.usage).inputTokens > 0)
      #expect(try session.fullBody([]).utf8.count < whole)
      let after = try session.finished("RECALL")
      #expect(after.text == "RECALL users=6 tools=0 first=REASON about 1")
      #expect(after.stats.fullReason == .compacted)
      let next = try session.finished("RECALL")
      #expect(next.text == "RECALL users=7 tools=0 first=REASON about 1")
      #expect(next.stats.isDelta)
      // Again, and without a waiting thread.
      #expect(try await session.compact() != nil)
      #expect(try session.finished("RECALL").text == "RECALL users=8 tools=0 first=REASON about 1")
    }

    @Test("a compacted history is replayed whole, all of its window, on another connection")
    func replayed() throws {
      let server = try LocalServer()
      let session = try session(server)
      _ = try session.finished("first")
      _ = try session.compact()
      _ = try session.finished("second")
      let items = PeerRequest(number: 1, connection: 1, json: try session.fullBody([.user("RECALL")])).input
      let other = try self.session(server).start(items.map { .json($0) })
      #expect(try other.wait())
      #expect(other.text == "RECALL users=3 tools=0 first=first")
    }

    @Test("above a threshold only, by what the last response's usage says")
    func threshold() throws {
      let server = try LocalServer()
      let session = try session(server)
      #expect(try session.compact() == nil)
      let usage = try #require(try session.finished("first").usage)
      let context = usage.inputTokens + usage.outputTokens
      #expect(try session.compact(ifOver: context) == nil)
      #expect(try session.finished("still a delta").stats.isDelta)
      #expect(try session.compact(ifOver: context) != nil)
      // How large it is now nobody knows until the next turn; smaller it will not get.
      #expect(try session.compact(ifOver: 1) == nil)
      _ = try session.finished("second")
      #expect(try session.compact(ifOver: 1) != nil)
    }

    @Test("whoever gives whole histories goes on with the window in place of what was")
    func wholeHistory() throws {
      let server = try LocalServer()
      let session = try session(server)
      let first = #"{"role":"user","content":"first"}"#
      let turn = try session.start(history: Array("[\(first)]".utf8))
      #expect(try turn.wait())
      let compaction = try #require(try session.compact())
      let window = compaction.output.dropFirst().dropLast()
      let next = try session.start(
        history: Array(#"[\#(window),{"role":"user","content":"RECALL"}]"#.utf8))
      #expect(try next.wait())
      #expect(next.stats.fullReason == .compacted)
      #expect(next.text == "RECALL users=2 tools=0 first=first")
    }

    @Test("not while a turn runs; a turn that is started meanwhile waits for the window")
    func orders() throws {
      let server = try LocalServer()
      let session = try session(server)
      _ = try session.finished("first")
      let slow = try session.start("SLOW 300 words")
      #expect(try failure { try session.compact() }.status == .busy)
      #expect(try slow.wait())
      let pending = try failure { try session.compact(timeout: .zero) }
      #expect(pending.status == .timeout)
      #expect(try session.finished("RECALL").stats.fullReason == .compacted)
    }

    @Test("unanswered calls, and conversations, cannot be compacted; nothing changes")
    func refused() throws {
      let server = try LocalServer()
      let tool = #"{"type":"function","name":"work","parameters":{"type":"object","properties":{}}}"#
      let session = try session(server, #"{"model":"rules","store":false,"tools":[\#(tool)]}"#)
      let call = try #require(try session.finished("TOOL LOOP").calls.first)
      #expect(try failure { try session.compact() }.status == .missingOutput)
      let next = try session.start([.output(#"{"remaining":0}"#, for: call)])
      #expect(try next.wait())
      #expect(next.stats.isDelta)
      let bound = try self.session(server, #"{"model":"rules","conversation":"conv_1"}"#)
      #expect(try failure { try bound.compact() }.status == .invalidArgument)
    }

    @Test("a refusal is typed, and the session goes on as if nothing had been asked")
    func failed() throws {
      let server = try LocalServer { $0.apiKey = "sk-right-key" }
      let session = try Client.session(server.url, settings: Self.settings) { $0.apiKey = "sk-right-key" }
      _ = try session.finished("first")
      let nameless = try Client.session(server.url, settings: #"{"store":false}"#) { $0.apiKey = "sk-wrong-key" }
      let error = try failure { _ = try nameless.countTokens([.user("hello")]) }
      #expect(error.status == .unauthorized)
      #expect(error.httpStatus == 401)
      #expect(error.execution == .rejected)
      #expect(!error.message.contains("sk-wrong-key"))
      #expect(try session.finished("more").stats.isDelta)
    }

    @Test("a server that cannot be reached, or that breaks off, is a network error")
    func unreachable() throws {
      let gone = try LocalServer().url
      let lost = try Client.session(gone)
      #expect(try failure { _ = try lost.countTokens([.user("x")]) }.status == .connectRefused)
    }

    @Test("the count is what the next turn's usage says", arguments: [false, true])
    func counts(isStored: Bool) async throws {
      let server = try LocalServer()
      let session = try session(server, #"{"model":"rules","store":\#(isStored),"instructions":"be exact"}"#)
      for text in ["first", "REASON on it", "RECALL"] {
        let tokens = try session.countTokens([.user(text)], timeout: .seconds(20))
        #expect(try await session.countTokens([.user(text)]) == tokens)
        #expect(try session.finished(text).usage?.inputTokens == tokens)
      }
    }

    @Test("closing the session ends who waits")
    func closed() throws {
      let server = try LocalServer()
      let session = try session(server)
      _ = try session.finished("first")
      session.close()
      #expect(try failure { try session.compact() }.status == .closed)
    }
  }
}
