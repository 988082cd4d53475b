import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("A chain of turns: what goes over the wire") struct ConversationTests {
    private let tools = #"[{"type":"function","name":"look","parameters":{"type":"object"}}]"#

    @Test("settings go verbatim with every turn, unknown ones included; items byte for byte")
    func verbatim() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let session = try Client.session(
        peer.url,
        settings: #"{ "model" : "m", "store":false, "temperature":1.0, "x_new":{"n":9007199254740993,"a":[ 1 ]}}"#)
      let item = #"{"role":"user", "content":"a\u0000\ud83d\ude00 é","n":1.0,"n":9007199254740993}"#
      try session.start([.json(item), .user("b \" \\ \n\u{1} ä")]).wait()
      let request = try #require(peer.requests.value.first)
      #expect(request["type"] == #""response.create""#)
      #expect(request["model"] == #""m""#)
      #expect(request["temperature"] == "1.0")
      #expect(request["x_new"] == #"{"n":9007199254740993,"a":[ 1 ]}"#)
      #expect(request["stream"] == nil && request["previous_response_id"] == nil)
      #expect(
        request.input == [
          item, #"{"type":"message","role":"user","content":"b \" \\ \n\u0001 ä"}"#,
        ])
    }

    @Test("under store:false the encrypted reasoning is asked for, unless the caller says otherwise")
    func include() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      try Client.session(peer.url, settings: #"{"store":false}"#).start("a").wait()
      try Client.session(peer.url, settings: #"{"store":false,"include":[]}"#).start("b").wait()
      try Client.session(peer.url, settings: #"{"model":"m"}"#).start("c").wait()
      #expect(
        peer.requests.value.map { $0["include"] }
          == [#"["reasoning.encrypted_content"]"#, "[]", nil])
    }

    @Test("20 turns with tool calls send only what is new, over one connection")
    func toolLoop() throws {
      let peer = try ScriptedPeer { connection, request in
        let id = "resp_\(request.number)"
        guard request.number < 20 else {
          return connection.send(ServerEvent.reply(id, "done"))
        }
        let call = ServerEvent.call("call_\(request.number)", "look")
        connection.send(
          ServerEvent.created(id), ServerEvent.itemAdded(call), ServerEvent.itemDone(call),
          ServerEvent.completed(id))
      }
      defer { peer.stop() }
      let session = try Client.session(
        peer.url, settings: #"{"model":"m","store":false,"tools":\#(tools)}"#)
      var input = [InputItem.user("look around")]
      var text = ""
      for number in 1...20 {
        let full = try session.fullBody(input)
        let turn = try session.start(input)
        #expect(try turn.wait())
        #expect(turn.stats.isDelta == (number > 1))
        #expect(turn.stats.fullRequestBytes == full.utf8.count)
        #expect(turn.stats.requestBytes == peer.requests.value[number - 1].json.utf8.count)
        input = turn.calls.map { .output("seen \(number)", for: $0) }
        text = turn.text
      }
      #expect(text == "done")
      #expect(try session.responseID == "resp_20")
      let requests = peer.requests.value
      #expect(requests.map(\.connection) == Array(repeating: 1, count: 20))
      for request in requests.dropFirst() {
        let last = request.number - 1
        #expect(request["previous_response_id"] == #""resp_\#(last)""#)
        #expect(request["tools"] == tools)
        #expect(
          request.input == [
            #"{"type":"function_call_output","call_id":"call_\#(last)","output":"seen \#(last)"}"#
          ])
      }
    }

    @Test("parallel and custom calls are answered in one turn, each in its own form")
    func parallelCalls() throws {
      let custom =
        #"{"type":"custom_tool_call","id":"ctc_1","call_id":"call_c","name":"shell","input":"ls -l\n"}"#
      let peer = try ScriptedPeer { connection, request in
        guard request.number == 1 else { return ScriptedPeer.echo(connection, request) }
        connection.send(
          ServerEvent.itemDone(ServerEvent.call("call_a", "look")),
          ServerEvent.itemDone(custom, at: 1), ServerEvent.completed("resp_1"))
      }
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      let calls = try session.finished("look").calls
      #expect(calls.map(\.kind) == [.function, .custom])
      #expect(calls[1].arguments == "ls -l\n")
      try session.start(calls.map { .output("out", for: $0) }).wait()
      #expect(
        peer.requests.value.last?.input == [
          #"{"type":"function_call_output","call_id":"call_a","output":"out"}"#,
          #"{"type":"custom_tool_call_output","call_id":"call_c","output":"out"}"#,
        ])
    }

    @Test("a warm-up generates nothing and is chained on")
    func warmUp() throws {
      let peer = try ScriptedPeer { connection, request in
        let isWarmUp = request["generate"] == "false"
        connection.send(
          isWarmUp
            ? [ServerEvent.created("resp_w"), ServerEvent.completed("resp_w", #","output":[]"#)]
            : ServerEvent.reply("resp_2", "hello"))
      }
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      try session.connect()
      var options = Session.TurnOptions()
      options.isWarmUp = true
      let warmUp = try session.start([.user("context")], options: options)
      #expect(try warmUp.wait())
      #expect(warmUp.text.isEmpty && warmUp.items.isEmpty)
      #expect(try session.finished("question").text == "hello")
      let request = try #require(peer.requests.value.last)
      #expect(request["previous_response_id"] == #""resp_w""#)
      #expect(request["generate"] == nil)
      #expect(request.input.count == 1)
      #expect(peer.upgrades.value.count == 1)
    }

    @Test("overrides replace or remove settings for one turn only")
    func overrides() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let session = try Client.session(
        peer.url, settings: #"{"model":"m","instructions":"be brief","store":true}"#)
      var options = Session.TurnOptions()
      options.overrides = #"{"model":"other","instructions":null,"extra":{"a":[1.0]}}"#
      try session.start("a", options: options).wait()
      try session.start("b").wait()
      let (first, second) = (peer.requests.value[0], peer.requests.value[1])
      #expect(first["model"] == #""other""#)
      #expect(first["instructions"] == nil)
      #expect(first["extra"] == #"{"a":[1.0]}"#)
      #expect(first["store"] == "true")
      #expect(second["model"] == #""m""#)
      #expect(second["instructions"] == #""be brief""#)
      #expect(second["extra"] == nil)
      #expect(second["previous_response_id"] == #""resp_1""#)
    }

    @Test("after the connection was lost the whole history is replayed, byte for byte")
    func replay() throws {
      let odd = #"{ "type":"vendor_item", "n":9007199254740993, "f":1.0, "s":"x\u0000\ud83d\ude00y", "status":"completed" }"#
      let reasoning = #"{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAA=="}"#
      let peer = try ScriptedPeer { connection, request in
        guard request.number == 1 else { return ScriptedPeer.echo(connection, request) }
        // Out of order: output_index decides.
        connection.send(
          ServerEvent.created("resp_1"), ServerEvent.itemDone(odd, at: 1),
          ServerEvent.itemDone(reasoning, at: 0), ServerEvent.itemDone(ServerEvent.message("m"), at: 2),
          ServerEvent.completed("resp_1"))
      }
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      let item = #"{"role":"user", "content":[{"type":"input_text","text":"a\u00e4"}], "x":1.0}"#
      try session.start([.json(item)]).wait()
      peer.onConnection { $0.cut() }
      #expect(peer.openConnections.wait { $0 == 0 })
      // The client may notice only when it sends: then the turn fails, and the next one replays.
      var turn = try session.start("again")
      if (try? turn.wait()) == nil { turn = try session.finished("again") }
      #expect(turn.text.hasPrefix("reply"))
      #expect(!turn.stats.isDelta)
      let request = try #require(peer.requests.value.last)
      #expect(request.connection == 2)
      #expect(request["previous_response_id"] == nil)
      let new = #"{"type":"message","role":"user","content":"again"}"#
      #expect(request.input == [item, reasoning, odd, ServerEvent.message("m"), new])
      #expect(turn.stats.requestBytes > turn.stats.fullRequestBytes)
      // From here on it is a delta again.
      try session.start("on").wait()
      #expect(peer.requests.value.last?.input.count == 1)
    }

    @Test("a stored response is continued on a new connection")
    func stored() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let session = try Client.session(peer.url, settings: #"{"model":"m"}"#)
      try session.start("a").wait()
      peer.onConnection { $0.cut() }
      #expect(peer.openConnections.wait { $0 == 0 })
      let turn = try session.start("b")
      if (try? turn.wait()) == nil { try session.start("b").wait() }
      #expect(peer.requests.value.last?.connection == 2)
      #expect(peer.requests.value.last?["previous_response_id"] == #""resp_1""#)
    }

    @Test("previous_response_not_found: sent again in full, once; a notice tells")
    func notFound() throws {
      let peer = try ScriptedPeer { connection, request in
        guard request.number == 2 else { return ScriptedPeer.echo(connection, request) }
        connection.send(ServerEvent.error(400, code: "previous_response_not_found", "gone"))
      }
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      try session.start("a").wait()
      let turn = try session.start("b")
      var notices: [String] = []
      while let event = try turn.next() { if event.kind == .notice { notices.append(event.json) } }
      #expect(
        notices == [
          #"{"type":"rws.resent","reason":"previous_response_not_found","status":"RWS_ERR_PREVIOUS_RESPONSE_NOT_FOUND","#
            + #""code":"previous_response_not_found","execution":"rejected","attempt":1,"wait_ms":0}"#
        ])
      #expect(turn.stats.resendCount == 1)
      #expect(turn.text == "reply 3")
      let request = try #require(peer.requests.value.last)
      #expect(request.connection == 1)
      #expect(request["previous_response_id"] == nil)
      #expect(request.input.count == 3)
    }

    @Test("fullBody is what HTTP would need; it sends nothing")
    func fullBody() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let session = try Client.session(peer.url, settings: #"{"model":"m"}"#)
      #expect(try session.responseID.isEmpty)
      try session.start("a").wait()
      let user = #"{"type":"message","role":"user","content":"#
      #expect(
        try session.fullBody([.user("b")])
          == #"{"model":"m","input":[\#(user)"a"},\#(ServerEvent.message("reply 1")),\#(user)"b"}]}"#)
      #expect(peer.requests.value.count == 1)
    }

    @Test("the upgrade carries the key, organisation, project and further headers")
    func headers() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let session = try Client.session(peer.url + "?api-version=1") {
        $0.apiKey = "sk-secret-key"
        $0.organization = "org"
        $0.project = "proj"
        $0.headers = [Header("X-One", "1"), Header("user-agent", "mine")]
      }
      try session.connect()
      let upgrade = try #require(peer.upgrades.value.first)
      #expect(upgrade.target == "/v1/responses?api-version=1")
      #expect(upgrade.header("authorization") == "Bearer sk-secret-key")
      #expect(upgrade.header("openai-organization") == "org")
      #expect(upgrade.header("openai-project") == "proj")
      #expect(upgrade.header("x-one") == "1")
      #expect(upgrade.header("user-agent") == "mine")
    }

    @Test("sessions with another identity have connections of their own, and what is not named is the client's")
    func identities() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.echo)
      defer { peer.stop() }
      var options = ClientOptions.test(peer.url, apiKey: "sk-client-key")
      options.organization = "org"
      options.project = "proj"
      options.headers = [Header("X-One", "1"), Header("X-Two", "2")]
      let client = try Client(options)
      let other = Identity(apiKey: "sk-other-key", project: "", headers: [Header("x-two", "zwei")])
      for identity in [nil, other, Identity()] {
        let session = try client.session(settings: "{}", as: identity)
        try session.start("hi").wait()
        let fork = try session.fork()
        try fork.start("on").wait()
      }
      let upgrades = peer.upgrades.value
      let keys = upgrades.map { $0.header("authorization") }
      #expect(Set(keys) == ["Bearer sk-client-key", "Bearer sk-other-key"])
      for request in peer.requests.value {
        let isOthers = keys[request.connection - 1] == "Bearer sk-other-key"
        #expect(isOthers == (3...4 ~= request.number))
      }
      let upgrade = try #require(upgrades.first { $0.header("x-two") == "zwei" })
      #expect(upgrade.header("authorization") == "Bearer sk-other-key")
      #expect(upgrade.header("openai-organization") == "org")
      #expect(upgrade.header("openai-project") == nil)
      #expect(upgrade.header("x-one") == "1")
    }

    @Test("an identity that cannot be sent is refused at once, without its value")
    func invalidIdentity() throws {
      let client = try Client(ClientOptions.test("ws://127.0.0.1:1/v1"))
      let error = #expect(throws: ResponsesError.self) {
        try client.session(settings: "{}", as: Identity(apiKey: "sk-new\r\nline"))
      }
      #expect(error?.status == .invalidArgument)
      #expect(error?.message.contains("sk-new") == false)
    }
  }
}
