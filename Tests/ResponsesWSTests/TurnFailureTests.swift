import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("A turn that fails: what happened, and whether the request may have run")
  struct TurnFailureTests {
    /// How far the request has come when the peer does its worst.
    enum Progress: CaseIterable {
      case sent, created, begun, output

      var events: [String] {
        switch self {
        case .sent: []
        case .created: [ServerEvent.created("resp_1")]
        case .begun: [ServerEvent.created("resp_1"), ServerEvent.itemAdded(ServerEvent.call("c", "f"))]
        case .output: [ServerEvent.created("resp_1"), ServerEvent.textDelta("half an ans")]
        }
      }

      var execution: Execution {
        switch self {
        case .sent, .created: .unknown
        case .begun: .started
        case .output: .outputSeen
        }
      }
    }

    /// The error that ends a turn, read to its end; its events came before.
    private func expectEnd(
      _ turn: Turn, _ progress: Progress, location: SourceLocation = #_sourceLocation
    ) throws -> ResponsesError {
      var seen = 0
      let error = try failure(location) { while try turn.next() != nil { seen += 1 } }
      #expect(seen == progress.events.count, sourceLocation: location)
      #expect(error.execution == progress.execution, "\(error)", sourceLocation: location)
      #expect(turn.outcome == .failed, sourceLocation: location)
      #expect(turn.text == (progress == .output ? "half an ans" : ""), sourceLocation: location)
      return error
    }

    @Test("a connection cut in mid-turn is lost; the next turn replays", arguments: Progress.allCases)
    func cut(progress: Progress) throws {
      let peer = try ScriptedPeer { connection, request in
        guard request.number == 1 else { return ScriptedPeer.echo(connection, request) }
        connection.send(progress.events)
        connection.cutWhenFlushed()
      }
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      let error = try expectEnd(try session.start("hello"), progress)
      #expect(error.status == .connectionLost)
      #expect(error.message.contains("lost"))
      #expect(error.isRetryable)
      #expect(try session.finished("once more").text == "reply 2")
      let request = try #require(peer.requests.value.last)
      #expect(request["previous_response_id"] == nil)
      #expect(request.input.count == 1)
    }

    @Test(
      "closed before the terminal event, even with code 1000: the end of the turn, not a success",
      arguments: Progress.allCases, [1000, 1001, 1008, 1009, 1011, 1012] as [UInt16])
    func closed(progress: Progress, code: UInt16) throws {
      let peer = try ScriptedPeer { connection, _ in
        connection.send(progress.events)
        connection.close(code: code, reason: "the reason")
      }
      defer { peer.stop() }
      let error = try expectEnd(try Client.session(peer.url).start("hello"), progress)
      #expect(error.status == (code == 1009 ? .messageTooLarge : .peerClosed))
      #expect(error.closeCode == code)
      #expect(error.message.contains("\(code)"))
      #expect(error.message.contains("the reason"))
      #expect(error.isRetryable == ![1008, 1009].contains(code))
    }

    @Test("a reset in mid-turn is lost, too")
    func reset() throws {
      let peer = try RawPeer(
        .init(reply: RawPeer.frame(0x81, #"{"type":"response.created","response":{}}"#), end: .reset))
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      let error = try failure { try turn.wait() }
      #expect(error.status == .connectionLost)
      #expect(error.execution >= .unknown)
    }

    @Test(
      "invalid JSON from the server ends the turn; the text is in the error",
      arguments: [
        "no json", "{", "[]", #""text""#, "{\"type\":\"response.created\"} x", #"{"type":"a",}"#, "",
      ])
    func invalidJSON(text: String) throws {
      let peer = try ScriptedPeer { connection, request in
        guard request.number == 1 else { return ScriptedPeer.echo(connection, request) }
        connection.send(Progress.created.events)
        connection.send(text)
      }
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      let error = try expectEnd(try session.start("hello"), .created)
      #expect(error.status == .invalidEvent)
      #expect(error.message.contains("check that the base URL points to a Responses API"))
      #expect(String(decoding: error.body, as: UTF8.self) == text)
      #expect(try session.finished("once more").text == "reply 2")
    }

    static let violations: [(bytes: [UInt8], word: String)] = [
      ([0xC1, 0x01, 0x61], "reserved bits"), ([0x83, 0x00], "opcode"), ([0x80, 0x01, 0x61], "continu"),
      ([0x81, 0x81, 1, 2, 3, 4, 0x61], "mask"), ([0x09, 0x00], "control"),
      ([0x89, 0x7E, 0x00, 0x80], "control"), ([0x81, 0x02, 0xC3, 0x28], "UTF-8"),
      ([0x88, 0x01, 0x03], "lose"), ([0x88, 0x02, 0x03, 0xED], "lose"),
    ]

    @Test("RFC 6455: frames that break it end the turn as a protocol error", arguments: violations)
    func protocolViolation(bytes: [UInt8], word: String) throws {
      let peer = try RawPeer(.init(reply: bytes))
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      let error = try expectEnd(turn, .sent)
      #expect(error.status == .protocolViolation)
      #expect(error.message.contains("127.0.0.1:\(peer.port)"))
      #expect(error.message.contains(word), "\(error.message)")
      #expect(!error.isRetryable)
    }

    @Test("a message over message_bytes_max is refused, and the message says what to raise")
    func tooLarge() throws {
      let peer = try ScriptedPeer { connection, _ in
        connection.send(ServerEvent.textDelta(String(repeating: "x", count: 5000)))
      }
      defer { peer.stop() }
      let session = try Client.session(peer.url) { $0.messageBytesMax = 4096 }
      let error = try failure { try session.start("hello").wait() }
      #expect(error.status == .messageTooLarge)
      #expect(error.closeCode == 1009)
      #expect(error.message.contains("4096"))
      #expect(!error.isRetryable)
    }

    @Test("a request over sent_message_bytes_max fails unsent, on the connection that stays")
    func requestTooLarge() throws {
      let peer = try ScriptedPeer { ScriptedPeer.echo($0, $1) }
      defer { peer.stop() }
      let session = try Client.session(peer.url) { $0.sentMessageBytesMax = 4096 }
      #expect(try session.finished("hello").text == "reply 1")
      let error = try failure { try session.start(String(repeating: "x", count: 5000)).wait() }
      #expect(error.status == .messageTooLarge && error.execution == .notSent)
      #expect(error.message.contains("sent_message_bytes_max"))
      #expect(try session.finished("again").text == "reply 2")
      #expect(peer.upgrades.value.count == 1)
    }

    @Test(
      "errors of the API are told apart by code, and say what to do",
      arguments: [
        (401, "invalid_api_key", Status.unauthorized, "Check the API key"),
        (429, "rate_limit_exceeded", .rateLimited, "Wait"),
        (429, "insufficient_quota", .rateLimited, "billing"),
        (400, "context_length_exceeded", .contextLength, "Compact"),
        (503, "server_is_overloaded", .overloaded, "Try again"), (400, "invalid_value", .api, "said"),
      ])
    func apiErrors(httpStatus: Int, code: String, status: Status, advice: String) throws {
      let peer = try ScriptedPeer { connection, request in
        guard request.number == 1 else { return ScriptedPeer.echo(connection, request) }
        connection.send(ServerEvent.error(httpStatus, code: code, "said the server"))
      }
      defer { peer.stop() }
      let session = try Client.session(peer.url) { $0.maxRetries = 0 }
      let error = try failure { try session.start("hello").wait() }
      #expect(error.status == status)
      #expect(error.execution == .rejected)
      #expect(error.code == code)
      #expect(error.httpStatus == httpStatus)
      #expect(error.message.contains("said the server"))
      #expect(error.message.contains(advice))
      // The connection stays.
      #expect(try session.finished("once more").text == "reply 2")
      #expect(peer.requests.value.last?.connection == 1)
    }

    @Test("response.failed is the API's failure; what came before it is kept")
    func responseFailed() throws {
      let peer = try ScriptedPeer { connection, _ in
        connection.send(Progress.output.events)
        connection.send(
          #"{"type":"response.failed","response":{"id":"resp_1","status":"failed","error":{"code":"bad_image","message":"No such image."}}}"#
        )
      }
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      let error = try failure { try turn.wait() }
      #expect(error.status == .responseFailed)
      #expect(error.execution == .outputSeen)
      #expect(error.code == "bad_image")
      #expect(error.message.contains("No such image."))
      #expect(turn.responseID == "resp_1")
      #expect(turn.text == "half an ans")
    }

    @Test("a turn that leaves a call of the last response unanswered is refused, the call named")
    func missingOutput() throws {
      let peer = try ScriptedPeer { connection, request in
        guard request.number == 1 else { return ScriptedPeer.echo(connection, request) }
        connection.send(
          ServerEvent.itemDone(ServerEvent.call("call_a", "look")),
          ServerEvent.itemDone(ServerEvent.call("call_b", "look"), at: 1),
          ServerEvent.completed("resp_1"))
      }
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      let turn = try session.finished("look")
      let error = try failure {
        try session.start([.output("seen", for: turn.calls[0])]).wait()
      }
      #expect(error.status == .missingOutput)
      #expect(error.execution == .notSent)
      #expect(error.message.contains("call_b") && !error.message.contains("call_a"))
      // Nothing was sent, nothing is lost: both answers together go on.
      let outputs = turn.calls.map { InputItem.output("seen", for: $0) }
      #expect(try session.start(outputs).wait())
      #expect(peer.requests.value.count == 2)
    }

    @Test("JSON of the caller's that is none is refused before anything is sent")
    func callersJSON() throws {
      let client = try Client(.test("ws://127.0.0.1:1/v1"))
      for settings in ["", "[]", "{", #"{"a":1,}"#, "{} {}"] {
        #expect(try failure { _ = try client.session(settings: settings) }.status == .invalidJSON)
      }
      for settings in [#"{"input":[]}"#, #"{"previous_response_id":"x"}"#, #"{"background":true}"#] {
        let error = try failure { _ = try client.session(settings: settings) }
        #expect(error.status == .invalidArgument)
      }
      let session = try client.session(settings: #"{"model":"test"}"#)
      for item in ["", "{", "1", "null", #"{"a":"\ud8"}"#, "{},{"] {
        #expect(try failure { _ = try session.start([.json(item)]) }.status == .invalidJSON)
      }
      var options = Session.TurnOptions()
      options.overrides = "[1]"
      let error = try failure { _ = try session.start("hello", options: options) }
      #expect(error.status == .invalidJSON)
    }
  }
}
