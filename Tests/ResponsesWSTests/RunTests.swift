import RWSJSON
import RWSNetwork
import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("Tool loops") struct RunTests {
    private static func call(
      _ id: String, _ name: String = "tool", _ arguments: String = "{}", status: String = "completed"
    ) -> String {
      let quoted = arguments.replacing(#"""#, with: #"\""#)
      return #"{"type":"function_call","id":"fc_\#(id)","call_id":"\#(id)","name":"\#(name)","arguments":"\#(quoted)","status":"\#(status)"}"#
    }

    /// A response with these items; it ends unless told otherwise.
    private static func response(_ number: Int, _ items: [String], end: String? = nil) -> [String] {
      [ServerEvent.created("resp_\(number)")]
        + items.enumerated().map { ServerEvent.itemDone($1, at: $0) }
        + [end ?? ServerEvent.completed("resp_\(number)")]
    }

    private static let done = ServerEvent.message("done")

    /// Each request gets the next of these.
    private func peer(_ responses: [String]...) throws -> ScriptedPeer {
      try ScriptedPeer { number in
        responses.indices.contains(number - 1) ? Self.response(number, responses[number - 1]) : []
      }
    }

    private func outputs(_ peer: ScriptedPeer, _ request: Int) throws -> [String] {
      try #require(peer.requests.wait(for: request))
      return peer.requests.value[request - 1].input.compactMap {
        (try? JSONValue(parsing: $0))?["output"]?.string
      }
    }

    @Test("calls are answered until there are none")
    func loop() async throws {
      let peer = try peer(
        [Self.call("a", "echo", #"{"n":1}"#)], [Self.call("b", "echo", #"{"n":2}"#)], [Self.done])
      defer { peer.stop() }
      let run = try await Client.session(peer.url).run(
        "go", tools: ["echo": Tool { call in call.arguments }])
      #expect(run.text == "done" && run.isFinished && run.turns.count == 3)
      #expect(try outputs(peer, 2) == [#"{"n":1}"#])
      #expect(try outputs(peer, 3) == [#"{"n":2}"#])
      #expect(run.results.all.map(\.ending) == [.returned, .returned])
      #expect(run.results.effects.isEmpty)
    }

    @Test("a tool runs before the response is complete")
    func early() async throws {
      let peer = try ScriptedPeer { connection, request in
        guard request.number == 1 else {
          return connection.send(Self.response(request.number, [Self.done]))
        }
        connection.send(Self.response(1, [Self.call("a")]).dropLast())
      }
      defer { peer.stop() }
      // The response ends only because the tool ran.
      let tool = Tool { _ in
        peer.onConnection { $0.send(ServerEvent.completed("resp_1")) }
        return "x"
      }
      #expect(try await Client.session(peer.url).run("go", tools: ["tool": tool]).text == "done")
    }

    @Test("calls run at once and are answered in their order")
    func parallel() async throws {
      let peer = try peer([Self.call("a", "first"), Self.call("b", "second")], [Self.done])
      defer { peer.stop() }
      let (ran, run) = AsyncStream<Void>.makeStream()
      let tools = [
        "first": Tool { _ in
          for await _ in ran { return "1" }
          return "alone"
        },
        "second": Tool { _ in
          run.yield()
          return "2"
        },
      ]
      _ = try await Client.session(peer.url).run("go", tools: tools)
      #expect(try outputs(peer, 2) == ["1", "2"])
    }

    @Test("so many calls run at once, and no more")
    func slots() async throws {
      let peer = try peer((0..<12).map { Self.call("c\($0)") }, [Self.done])
      defer { peer.stop() }
      let running = Holder((now: 0, most: 0))
      let tool = Tool { _ in
        running.change {
          $0.now += 1
          $0.most = max($0.most, $0.now)
        }
        try await Task.sleep(for: .milliseconds(2))
        running.change { $0.now -= 1 }
        return ""
      }
      var options = Run.Options()
      options.maxParallel = 3
      let run = try await Client.session(peer.url).run("go", tools: ["tool": tool], options: options)
      #expect(run.results.count == 12)
      #expect(1...3 ~= running.value.most)
    }

    private struct Mishap: Error {}

    @Test("what goes wrong in a call is told to the model")
    func wrongCalls() async throws {
      let peer = try peer(
        [
          Self.call("a", "throws"), Self.call("b", "polite"), Self.call("c", "none"),
          Self.call("d", "throws", "{"), Self.call("e", "throws", "[1]"),
        ], [Self.done])
      defer { peer.stop() }
      let tools = [
        "throws": Tool { _ in throw Mishap() },
        "polite": Tool { _ in throw ToolError("ask for a city") },
      ]
      let run = try await Client.session(peer.url).run("go", tools: tools)
      let told = try outputs(peer, 2)
      #expect(told.count == 5)
      #expect(
        zip(
          told,
          [
            "error: Mishap: Mishap()", "error: ask for a city",
            #"error: there is no tool "none"; there are: polite, throws"#,
            "error: the arguments are no valid JSON", "error: the arguments must be a JSON object",
          ]
        ).allSatisfy { $0.hasPrefix($1) }, "\(told)")
      #expect(run.results["c"]?.ending == .unknownTool)
      #expect(run.results["d"]?.ending == .invalidArguments)
    }

    @Test("a tool over its time is cancelled and left behind")
    func timeout() async throws {
      let peer = try peer([Self.call("a")], [Self.done])
      defer { peer.stop() }
      let wasCancelled = Holder(false)
      let tool = Tool(timeout: .milliseconds(50)) { _ in
        defer { wasCancelled.change { $0 = Task.isCancelled } }
        try await Task.sleep(for: .seconds(60))
        return "late"
      }
      let run = try await Client.session(peer.url).run("go", tools: ["tool": tool])
      #expect(run.results["a"]?.ending == .timedOut)
      #expect(
        try outputs(peer, 2)
          == ["error: the tool did not finish within 0.05 seconds; it may have had effects"])
      #expect(wasCancelled.wait { $0 })
    }

    @Test("approvals")
    func approvals() async throws {
      let peer = try peer(
        [Self.call("a", "a"), Self.call("b", "b"), Self.call("c", "c")], [Self.done])
      defer { peer.stop() }
      let ran = Holder<[String]>([])
      let tool = Tool { call in
        ran.note(call.name)
        return "ran"
      }
      var options = Run.Options()
      options.approve = { call, _ in
        switch call.name {
        case "a": .approved
        case "b": .denied()
        default: .denied("not on Sundays")
        }
      }
      _ = try await Client.session(peer.url).run(
        "go", tools: ["a": tool, "b": tool, "c": tool], options: options)
      #expect(ran.value == ["a"])
      #expect(
        try outputs(peer, 2) == [
          "ran", "error: the call was not approved",
          "error: the call was not approved: not on Sundays",
        ])
    }

    @Test("an approval that throws ends the run and runs nothing")
    func approvalThrows() async throws {
      let peer = try peer([Self.call("a")])
      defer { peer.stop() }
      var options = Run.Options()
      options.approve = { _, _ in throw Mishap() }
      let session = try Client.session(peer.url)
      do {
        _ = try await session.run("go", tools: ["tool": Tool { _ in "x" }], options: options)
        Issue.record("nothing was thrown")
      } catch {
        #expect(error.error is Mishap)
        #expect(error.run.results.count == 0)
      }
    }

    @Test("too many turns: what happened is kept, and the run goes on")
    func tooManyTurns() async throws {
      let peer = try peer([Self.call("a")], [Self.call("b")], [Self.call("c")], [Self.done])
      defer { peer.stop() }
      var options = Run.Options()
      options.maxTurns = 2
      var run = Run(
        try Client.session(peer.url), [.user("go")], tools: ["tool": Tool { _ in "x" }],
        options: options)
      await #expect(throws: Run.TooManyTurns.self) { try await run.resume() }
      #expect(run.results.count == 2 && run.turns.count == 2)
      #expect(peer.requests.value.count == 2)
      try await run.resume()
      #expect(run.text == "done" && run.results.count == 3)
    }

    @Test("callbacks are told in order")
    func callbacks() async throws {
      let peer = try peer([Self.call("a")], [Self.done])
      defer { peer.stop() }
      let seen = Holder<[String]>([])
      var options = Run.Options()
      options.onInput = { seen.note("input of \($0.count)") }
      options.onEvent = { event, _ in if event.kind == .outputItemDone { seen.note("item") } }
      options.onTurn = { _, results in seen.note("turn: \(results.map(\.output))") }
      _ = try await Client.session(peer.url).run(
        "go", tools: ["tool": Tool { _ in "x" }], options: options)
      #expect(
        seen.value == [
          "input of 1", "item", #"turn: ["x"]"#, "input of 1", "item", "turn: []",
        ])
    }

    @Test("a call that was cut off is not run; the whole ones are effects that the chain does not know")
    func cutOff() async throws {
      let items = [Self.call("a"), Self.call("b", "tool", #"{"n""#, status: "incomplete")]
      let peer = try ScriptedPeer { number in
        Self.response(
          number, items, end: ServerEvent.incomplete("resp_1", reason: "max_output_tokens"))
      }
      defer { peer.stop() }
      let ran = Holder<[String]>([])
      let tool = Tool { call in
        ran.note(call.callID)
        return "x"
      }
      let run = try await Client.session(peer.url).run("go", tools: ["tool": tool])
      #expect(run.outcome == .incomplete && !run.isFinished)
      #expect(ran.value == ["a"])
      #expect(run.results.effects.map(\.call.callID) == ["a"])
    }

    /// A response that fails after the first items, then whole ones.
    private func failingOnce(_ first: [String], _ later: [String]...) throws -> ScriptedPeer {
      let failed =
        #"{"type":"response.failed","response":{"id":"resp_1","status":"failed","output":[],"error":{"code":"mishap","message":"sorry"}}}"#
      return try ScriptedPeer { number in
        if number == 1 { return Self.response(1, first, end: failed) }
        return later.indices.contains(number - 2) ? Self.response(number, later[number - 2]) : []
      }
    }

    @Test("a failed turn keeps what its calls came to; sent again, a seen call does not run again")
    func seenCalls() async throws {
      let peer = try failingOnce([Self.call("a")], [Self.call("a")], [Self.done])
      defer { peer.stop() }
      let ran = Holder(0)
      let tool = Tool { _ in "run \(ran.change { $0 += 1; return $0 })" }
      var run = Run(try Client.session(peer.url), [.user("go")], tools: ["tool": tool])
      #expect(try await failure { try await run.resume() }.status == .responseFailed)
      #expect(run.results["a"]?.output == "run 1")
      #expect(run.results.effects.map(\.call.callID) == ["a"])
      try await run.resume()
      #expect(run.text == "done" && ran.value == 1)
      #expect(try outputs(peer, 3) == ["run 1"])
      #expect(run.results.effects.isEmpty)
    }

    @Test("new calls of a turn that is sent again know what happened in vain")
    func effects() async throws {
      let peer = try failingOnce(
        [Self.call("a")], [Self.call("b")], [Self.call("c")], [Self.done])
      defer { peer.stop() }
      let asked = Holder<[String]>([])
      var options = Run.Options()
      options.approve = { call, effects in
        asked.note("\(call.callID) after \(effects.map(\.call.callID))")
        return .approved
      }
      let session = try Client.session(peer.url)
      let tools = ["tool": Tool { _ in "x" }]
      do {
        _ = try await session.run("go", tools: tools, options: options)
        Issue.record("nothing was thrown")
      } catch {
        let run = try await session.run(
          "go", tools: tools, options: options, results: error.run.results)
        #expect(run.results.effects.map(\.call.callID) == ["a"])
      }
      #expect(asked.value == ["a after []", #"b after ["a"]"#, "c after []"])
    }

    @Test("a cancelled task cancels turn and tools; resumed, the interrupted call does not run again")
    func cancelled() async throws {
      let peer = try peer([Self.call("a")], [Self.done])
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      let (ran, isComplete) = (Holder(0), Holder(false))
      let tool = Tool { _ in
        ran.change { $0 += 1 }
        try await Task.sleep(for: .seconds(60))
        return "x"
      }
      var options = Run.Options()
      options.onEvent = { event, _ in
        if event.kind == .responseCompleted { isComplete.change { $0 = true } }
      }
      let task = Task { [options] in
        var run = Run(session, [.user("go")], tools: ["tool": tool], options: options)
        do { try await run.resume() } catch { return (run, error is CancellationError) }
        return (run, false)
      }
      #expect(ran.wait { $0 == 1 } && isComplete.wait { $0 })
      task.cancel()
      var (run, isCancellation) = await task.value
      #expect(run.results["a"]?.ending == .interrupted)
      #expect(isCancellation || run.outcome == .cancelled)
      try await run.resume()
      #expect(ran.value == 1)
      #expect(run.text == "done")
    }

    @Test("a callback that throws cancels the turn")
    func callbackThrows() async throws {
      let peer = try ScriptedPeer { connection, _ in connection.send(ServerEvent.created("resp_1")) }
      defer { peer.stop() }
      var options = Run.Options()
      options.onEvent = { _, _ in throw Mishap() }
      var run = Run(try Client.session(peer.url), [.user("go")], tools: [:], options: options)
      await #expect(throws: Mishap.self) { try await run.resume() }
      #expect(run.outcome == .cancelled)
    }

    @Test("a run reads on after steering")
    func steering() async throws {
      let server = try LocalServer()
      let session = try Client.session(
        server.url, settings: #"{"model":"gpt-6-rules","store":false}"#)
      var options = Run.Options()
      let isSteered = Holder(false)
      options.onEvent = { event, turn in
        let isFirst = isSteered.change { steered in
          defer { steered = true }
          return !steered
        }
        if event.kind == .responseCreated, isFirst { _ = try turn.steer("RECALL") }
      }
      let run = try await session.run("SLOW 5000 words", tools: [:], options: options)
      #expect(run.text == "RECALL users=2 tools=0 first=SLOW 5000 words")
      #expect(run.turns.map(\.outcome) == [.incomplete, .completed])
    }
  }
}
