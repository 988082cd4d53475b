import Glibc
import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("Tokens and the ledger") struct LedgerTests {
    /// A peer whose n-th answer reports the n-th count of input tokens.
    private func peer(_ inputTokens: Int...) throws -> ScriptedPeer {
      try ScriptedPeer { connection, request in
        let id = "resp_\(request.number)"
        let tokens = inputTokens[(request.number - 1) % inputTokens.count]
        let usage =
          #","usage":{"input_tokens":\#(tokens),"input_tokens_details":{"cached_tokens":8},"output_tokens":10,"output_tokens_details":{"reasoning_tokens":4}}"#
        connection.send([
          ServerEvent.created(id), ServerEvent.itemDone(ServerEvent.message("reply")),
          ServerEvent.completed(id, usage),
        ])
      }
    }

    @Test("each turn says what it took; the session adds up")
    func ledger() throws {
      let peer = try peer(100, 130)
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      #expect(try session.ledger == session.fork().ledger)
      #expect(try session.ledger.contextTokens == nil)
      _ = try session.finished("a")
      let second = try session.finished("b")
      #expect(second.stats.cost.marginalInputTokens == 20)
      #expect(second.stats.cost.inputTokens == 130 && second.stats.cost.cachedTokens == 8)
      #expect(second.stats.cost.outputTokens == 10 && second.stats.cost.reasoningTokens == 4)
      let ledger = try session.ledger
      #expect(ledger.turnCount == 2 && ledger.deltaHitRate == 1 && ledger.resendCount == 0)
      #expect(ledger.inputTokens == 230 && ledger.outputTokens == 20)
      #expect(ledger.contextTokens == 140)
      #expect(ledger.httpBytes > ledger.sentBytes)
      #expect(try session.fork().ledger.contextTokens == 140)
      session.close()
      #expect(throws: ResponsesError.self) { try session.ledger }
    }

    @Test("a context that the server lost in silence: a notice before the last event, and in the stats")
    func contextLost() throws {
      let peer = try peer(2000, 30)
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      _ = try session.finished("a")
      let turn = try session.start("b")
      var types: [String] = []
      while let event = try turn.next() { types.append(event.type) }
      #expect(types.suffix(2) == ["rws.context_lost", "response.completed"])
      let loss = try #require(turn.stats.cost.contextLoss)
      #expect(loss.inputTokens == 30 && loss.expectedTokens > 900)
      #expect(try session.ledger.contextLossCount == 1)
    }

    @Test("items are estimated before they are sent, with what nobody can count told apart")
    func estimate() throws {
      let session = try Client.session("ws://127.0.0.1:9/v1")
      let short = try session.estimate("hello")
      let long = try session.estimate(String(repeating: "hello ", count: 1000))
      #expect(short.tokens < long.tokens && long.low <= 1100 && long.high >= 1100)
      let image = #"{"role":"user","content":[{"type":"input_image","image_url":"data:x"}]}"#
      #expect(try session.estimate([.json(image)]).uncountableParts == 1)
      #expect(throws: ResponsesError.self) { try session.estimate([.json("{")]) }
    }

    @Test("with a vocabulary tokens are counted; a file that is none fails the client, and says why")
    func vocabulary() throws {
      let file = try TemporaryFile(vocabularyOfBytes)
      let session = try Client.session("ws://127.0.0.1:9/v1") { $0.vocabularyFile = file.path }
      let estimate = try session.estimate(String(repeating: "x", count: 5000))
      #expect(estimate.tokens >= 5000 && estimate.tokens < 5020)
      let wrong = try TemporaryFile("no vocabulary\n")
      for (path, part) in [
        ("/nowhere/o200k", "No such file"), ("/dev", "not a regular file"), (wrong.path, "line 1"),
      ] {
        let error = try failure {
          _ = try Client.session("ws://127.0.0.1:9/v1") { $0.vocabularyFile = path }
        }
        #expect(error.status == .invalidArgument && error.message.contains(part))
      }
    }

    @Test("the local server's usage and the ledger agree over a tool loop; nothing is taken for lost")
    func agreement() throws {
      let server = try LocalServer()
      let file = try TemporaryFile(vocabularyOfBytes)
      let tool = #"{"type":"function","name":"work","parameters":{"type":"object","properties":{}}}"#
      let session = try Client.session(
        server.url, settings: #"{"model":"rules","store":false,"tools":[\#(tool)]}"#
      ) { $0.vocabularyFile = file.path }
      var input = [InputItem.user("TOOL LOOP with REASON")]
      var turns: [Turn] = []
      while !input.isEmpty, turns.count < 30 {
        let turn = try session.start(input)
        try #require(try turn.wait())
        turns.append(turn)
        let remaining = 12 - turns.count
        input = turn.calls.map { .output(#"{"remaining": \#(remaining)}"#, for: $0) }
      }
      #expect(turns.count == 13)
      let usages = turns.compactMap(\.usage)
      let ledger = try session.ledger
      #expect(ledger.turnCount == 13 && ledger.deltaCount == 12 && ledger.contextLossCount == 0)
      #expect(ledger.inputTokens == usages.reduce(0) { $0 + $1.inputTokens })
      #expect(ledger.outputTokens == usages.reduce(0) { $0 + $1.outputTokens })
      #expect(ledger.cachedTokens == usages.reduce(0) { $0 + $1.cachedTokens })
      #expect(ledger.sentBytes == turns.reduce(0) { $0 + $1.stats.requestBytes })
      let last = try #require(usages.last)
      #expect(ledger.contextTokens == last.inputTokens + last.outputTokens)
      for (former, turn) in zip(usages, turns.dropFirst()) {
        #expect(
          turn.stats.cost.marginalInputTokens
            == turn.stats.cost.inputTokens.map { $0 - former.inputTokens - former.outputTokens })
      }
    }

    @Test("calls that nobody will answer are given up: the rest is sent in full, and the server takes it")
    func abandonedCalls() throws {
      let server = try LocalServer()
      let tool = #"{"type":"function","name":"work","parameters":{"type":"object","properties":{}}}"#
      let session = try Client.session(
        server.url, settings: #"{"model":"rules","store":false,"tools":[\#(tool)]}"#)
      _ = try session.finished("first")
      let calls = try session.finished("PARALLEL 3").calls
      #expect(calls.count == 3)
      let error = try failure { try session.start("RECALL").wait() }
      #expect(error.status == .missingOutput)
      var options = Session.TurnOptions()
      options.isAbandoningCalls = true
      let some = try session.start([.output("x", for: calls[1]), .user("RECALL")], options: options)
      #expect(try some.wait())
      #expect(some.stats.fullReason == .callsAbandoned && some.outcome == .completed)
      #expect(try session.finished("RECALL").stats.isDelta)
    }

    @Test("input_transformations are shown as the server wrote them")
    func inputTransformations() throws {
      let field = #"[{"id":"rs_1","action":"removed","reason":"model_mismatch","type":"reasoning"}]"#
      let peer = try ScriptedPeer { connection, request in
        let more = request.number == 1 ? #","input_transformations":\#(field)"# : ""
        connection.send([ServerEvent.created("r"), ServerEvent.completed("r", more)])
      }
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      #expect(try session.finished("a").inputTransformations == field)
      #expect(try session.finished("b").inputTransformations == "")
    }
  }
}

/// A vocabulary in which each byte is a token.
private let vocabularyOfBytes: String = {
  let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  return (0..<256).map { "\(digits[$0 >> 2])\(digits[($0 & 3) << 4])== \($0)\n" }.joined()
}()

private final class TemporaryFile {
  let path: String

  init(_ text: String) throws {
    var template = Array("/tmp/responsesws-test-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    try #require(descriptor >= 0)
    let bytes = Array(text.utf8)
    try #require(write(descriptor, bytes, bytes.count) == bytes.count)
    Glibc.close(descriptor)
  }

  deinit { unlink(path) }
}
