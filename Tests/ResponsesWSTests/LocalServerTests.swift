import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("Whole conversations with the local server") struct LocalServerTests {
    private static let tool =
      #"{"type":"function","name":"work","parameters":{"type":"object","properties":{}}}"#
    private static let settings =
      #"{"model":"rules","store":false,"instructions":"be exact","tools":[\#(tool)]}"#

    private func session(_ server: LocalServer) throws -> Session {
      try Client.session(server.url, settings: Self.settings)
    }

    @Test("a tool loop of 20 turns, read as it streams; then the server recalls all of it")
    func toolLoop() async throws {
      let server = try LocalServer()
      let session = try session(server)
      var input = [InputItem.user("TOOL LOOP please")]
      var turns = 0
      var text = ""
      while !input.isEmpty, turns < 30 {
        turns += 1
        let turn = try session.start(input)
        for try await event in turn where event.kind == .outputTextDelta { text += event.delta }
        #expect(turn.stats.isDelta == (turns > 1))
        input = turn.calls.map { call in
          #expect(call.name == "work")
          #expect(call.arguments == #"{"seen": \#(turns - 1)}"#)
          return .output(#"{"remaining": \#(19 - turns)}"#, for: call)
        }
      }
      #expect(turns == 20)
      #expect(text == "LOOP DONE")
      let recall = try session.finished("RECALL")
      #expect(recall.text == "RECALL users=2 tools=19 first=TOOL LOOP please")
      #expect(recall.stats.fullRequestBytes > 5 * recall.stats.requestBytes)
    }

    @Test("a warm-up is chained on, without a turn of its own in the answer")
    func warmUp() throws {
      let server = try LocalServer()
      let session = try session(server)
      var options = Session.TurnOptions()
      options.isWarmUp = true
      let warmUp = try session.start("remember me", options: options)
      #expect(try warmUp.wait())
      #expect(warmUp.items.isEmpty)
      let turn = try session.finished("RECALL")
      #expect(turn.text == "RECALL users=2 tools=0 first=remember me")
      #expect(turn.stats.isDelta)
    }

    @Test("each shape of answer arrives where it belongs")
    func shapes() throws {
      let server = try LocalServer()
      let session = try session(server)
      #expect(try session.finished("hello").text == "ECHO: hello")
      let refused = try session.finished("REFUSE this")
      #expect(!refused.refusal.isEmpty && refused.text.isEmpty)
      let limited = try session.finished("LIMIT this long text")
      #expect(limited.outcome == .incomplete)
      #expect(limited.incompleteReason == "max_output_tokens")
      let reasoned = try session.finished("REASON about it")
      #expect(reasoned.reasoningSummary.hasPrefix("Deciding by rule."))
      #expect(reasoned.items.count == 2)
      let usage = try #require(reasoned.usage)
      #expect(usage.inputTokens > 0 && usage.totalTokens == usage.inputTokens + usage.outputTokens)
      #expect(try session.finished("COMMENT on it").items.count == 2)
      let parallel = try session.finished("PARALLEL 3")
      #expect(parallel.calls.count == 3)
      #expect(try session.start(parallel.calls.map { .output("x", for: $0) }).wait(timeout: nil))
    }

    @Test("a failure of the API leaves connection and session usable; nothing of it is chained")
    func upstreamError() throws {
      let server = try LocalServer()
      let session = try session(server)
      _ = try session.finished("first")
      let error = try failure { try session.start("UPSTREAM ERROR").wait() }
      #expect(error.status == .overloaded)
      #expect(error.execution == .unknown)
      #expect(error.isRetryable)
      #expect(try session.finished("RECALL").text == "RECALL users=2 tools=0 first=first")
    }

    @Test("a turn that is cancelled is not chained on; the history goes on without it")
    func cancelled() throws {
      let server = try LocalServer()
      let session = try session(server)
      _ = try session.finished("first")
      let slow = try session.start("SLOW 3000 and slower")
      while slow.responseID.isEmpty { _ = try slow.next() }
      slow.cancel()
      #expect(slow.outcome == .cancelled)
      #expect(try session.finished("RECALL").text == "RECALL users=2 tools=0 first=first")
    }

    @Test("the body for HTTP, sent item by item to another server, gives the same context")
    func fullReplay() throws {
      let server = try LocalServer()
      let first = try session(server)
      let calls = try first.finished("TOOL LOOP with REASON").calls
      try first.start(calls.map { .output(#"{"remaining": 0}"#, for: $0) }).wait()
      let body = try first.fullBody([.user("RECALL")])
      let items = PeerRequest(number: 1, connection: 1, json: body).input
      #expect(items.count >= 6)
      let other = try LocalServer()
      let replayed = try session(other).start(items.map { .json($0) })
      #expect(try replayed.wait())
      #expect(replayed.text == "RECALL users=2 tools=1 first=TOOL LOOP with REASON")
      #expect(try first.finished("RECALL").text == replayed.text)
    }

    @Test("a wrong key says so; the right one is accepted")
    func key() throws {
      let server = try LocalServer { $0.apiKey = "sk-right-key" }
      let wrong = try Client.session(server.url) { $0.apiKey = "sk-wrong-key" }
      let error = try failure { try wrong.start("hello").wait() }
      #expect(error.status == .unauthorized)
      #expect(error.httpStatus == 401)
      let right = try Client.session(server.url) { $0.apiKey = "sk-right-key" }
      #expect(try right.finished("hello").text == "ECHO: hello")
    }
  }
}
