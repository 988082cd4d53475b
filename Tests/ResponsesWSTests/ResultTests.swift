import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("What a turn has brought, assembled") struct ResultTests {
    private func turn(_ events: String...) throws -> (Turn, ScriptedPeer) {
      let peer = try ScriptedPeer { connection, _ in connection.send(events) }
      return (try Client.session(peer.url).start("hello"), peer)
    }

    @Test("a call's name is known at output_item.added, its arguments stream, it is complete before the response is")
    func streamedCall() throws {
      let item = #"{"type":"function_call","id":"fc_1","call_id":"call_1","name":"look","arguments":""}"#
      let whole = #"{"type":"function_call","id":"fc_1","call_id":"call_1","name":"look","arguments":"{\"n\":1.0}"}"#
      let steps = [
        ServerEvent.itemAdded(item),
        ServerEvent.delta("function_call_arguments", #"{\"n\""#, item: "fc_1"),
        ServerEvent.delta("function_call_arguments", ":1.0}", item: "fc_1"),
        ServerEvent.itemDone(whole),
        ServerEvent.completed("resp_1"),
      ]
      let peer = try ScriptedPeer { connection, _ in
        connection.send(ServerEvent.created("resp_1"))
      }
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      #expect(try turn.next()?.kind == .responseCreated)
      #expect(turn.calls.isEmpty)
      var seen: [String] = []
      for step in steps {
        // One at a time: what is known is known before the next is even sent.
        peer.onConnection { $0.send(step) }
        let event = try #require(try turn.next())
        let call = try #require(turn.calls.first)
        seen.append(
          "\(event.type) \(call.name) \(call.arguments) \(call.isComplete)"
        )
      }
      #expect(
        seen == [
          "response.output_item.added look  false",
          #"response.function_call_arguments.delta look {"n" false"#,
          #"response.function_call_arguments.delta look {"n":1.0} false"#,
          #"response.output_item.done look {"n":1.0} true"#,
          #"response.completed look {"n":1.0} true"#,
        ])
      #expect(turn.calls.count == 1)
      #expect(turn.calls[0].callID == "call_1")
      #expect(turn.calls[0].kind == .function)
      #expect(turn.calls[0].item == whole)
      #expect(turn.items == [whole])
    }

    @Test("a custom call's input streams as text")
    func customCall() throws {
      let item = #"{"type":"custom_tool_call","id":"ctc_1","call_id":"call_1","name":"shell","input":""}"#
      let (turn, peer) = try turn(
        ServerEvent.itemAdded(item), ServerEvent.delta("custom_tool_call_input", "ls ", item: "ctc_1"),
        ServerEvent.delta("custom_tool_call_input", "-l", item: "ctc_1"),
        ServerEvent.completed("resp_1"))
      defer { peer.stop() }
      try turn.wait()
      let call = try #require(turn.calls.first)
      #expect(call.kind == .custom)
      #expect(call.name == "shell")
      #expect(call.arguments == "ls -l")
      #expect(!call.isComplete)
    }

    @Test("a refusal is no text")
    func refusal() throws {
      let item = #"{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"refusal","refusal":"I can't."}]}"#
      let (turn, peer) = try turn(
        ServerEvent.delta("refusal", "I ", item: "msg_1"),
        ServerEvent.delta("refusal", "can't.", item: "msg_1"), ServerEvent.itemDone(item),
        ServerEvent.completed("resp_1"))
      defer { peer.stop() }
      try turn.wait()
      #expect(turn.refusal == "I can't.")
      #expect(turn.text.isEmpty)
      #expect(turn.outcome == .completed)
    }

    @Test("parts of the reasoning summary are separated by a blank line")
    func summary() throws {
      let part = #"{"type":"response.reasoning_summary_part.added","item_id":"rs_1","output_index":0,"summary_index":0,"part":{}}"#
      let (turn, peer) = try turn(
        part, ServerEvent.delta("reasoning_summary_text", "First ", item: "rs_1"),
        ServerEvent.delta("reasoning_summary_text", "this.", item: "rs_1"), part,
        ServerEvent.delta("reasoning_summary_text", "Then that.", item: "rs_1"),
        ServerEvent.completed("resp_1"))
      defer { peer.stop() }
      try turn.wait()
      #expect(turn.reasoningSummary == "First this.\n\nThen that.")
    }

    @Test("an incomplete response is a good end that says its reason", arguments: ["max_output_tokens", "content_filter", "a_new_one"])
    func incomplete(reason: String) throws {
      let (turn, peer) = try turn(
        ServerEvent.created("resp_1"), ServerEvent.textDelta("half"),
        ServerEvent.incomplete("resp_1", reason: reason))
      defer { peer.stop() }
      while try turn.next() != nil {}
      #expect(turn.outcome == .incomplete)
      #expect(turn.incompleteReason == reason)
      #expect(turn.error == nil)
      #expect(turn.text == "half")
      #expect(turn.responseID == "resp_1")
    }

    @Test("usage as the server counted it; none where it does not say")
    func usage() throws {
      let usage =
        #"{"input_tokens":100,"input_tokens_details":{"cached_tokens":64,"cache_write_tokens":8},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":120}"#
      let (turn, peer) = try turn(ServerEvent.completed("resp_1", #","usage":\#(usage)"#))
      defer { peer.stop() }
      try turn.wait()
      let found = try #require(turn.usage)
      #expect(found.inputTokens == 100)
      #expect(found.cachedTokens == 64)
      #expect(found.cacheWriteTokens == 8)
      #expect(found.outputTokens == 20)
      #expect(found.reasoningTokens == 5)
      #expect(found.totalTokens == 120)
      let (silent, other) = try self.turn(ServerEvent.completed("resp_1"))
      defer { other.stop() }
      #expect(silent.usage == nil)
      try silent.wait()
      #expect(silent.usage == nil)
    }

    @Test("stats count bytes and events, and their times are in order")
    func stats() throws {
      let events = ServerEvent.reply("resp_1", "hello")
      let peer = try ScriptedPeer { connection, _ in connection.send(events) }
      defer { peer.stop() }
      let turn = try Client.session(peer.url).finished("hello")
      let stats = turn.stats
      #expect(stats.eventCount == events.count)
      #expect(stats.receivedBytes == events.reduce(0) { $0 + $1.utf8.count })
      #expect(stats.requestBytes == peer.requests.value[0].json.utf8.count)
      #expect(stats.resendCount == 0 && !stats.isDelta)
      let sent = try #require(stats.sent)
      let firstEvent = try #require(stats.firstEvent)
      let firstOutput = try #require(stats.firstOutput)
      let end = try #require(stats.end)
      #expect(0 < sent && sent <= firstEvent && firstEvent <= firstOutput && firstOutput <= end)
    }

    @Test("a server that sends no deltas, or only the end, still gives a full result")
    func sparse() throws {
      let output = #"[\#(ServerEvent.message("hello")),\#(ServerEvent.call("call_1", "look"))]"#
      let (turn, peer) = try turn(ServerEvent.completed("resp_1", #","output":\#(output)"#))
      defer { peer.stop() }
      try turn.wait()
      #expect(turn.text == "hello")
      #expect(turn.calls.map(\.callID) == ["call_1"])
      #expect(turn.calls[0].isComplete)
      #expect(turn.items == [ServerEvent.message("hello"), ServerEvent.call("call_1", "look")])
    }

    @Test("a surrogate pair that is split between two deltas becomes one character")
    func surrogates() throws {
      let (turn, peer) = try turn(
        ServerEvent.textDelta(#"a\ud83d"#), ServerEvent.textDelta(#"\ude00b"#),
        ServerEvent.completed("resp_1"))
      defer { peer.stop() }
      try turn.wait()
      #expect(turn.text == "a😀b")
    }
  }
}
