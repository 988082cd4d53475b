import ResponsesServer
import ResponsesWS
import RWSNetwork
import RWSProtocol
import RWSWebSocket
import Testing

extension SwiftFace {
  @Suite("Turns over HTTP, with the local server") struct HTTPTransportTests {
    private static let tool =
      #"{"type":"function","name":"work","parameters":{"type":"object","properties":{}}}"#

    private func session(
      _ url: String, store: Bool = false, _ configure: (inout ClientOptions) -> Void = { _ in }
    ) throws -> Session {
      try Client.session(
        url, settings: #"{"model":"rules","store":\#(store),"instructions":"be exact","tools":[\#(Self.tool)]}"#
      ) {
        $0.transport = .http
        configure(&$0)
      }
    }

    @Test("a tool loop of 20 turns, whole or by stored ids; then the server recalls all of it", arguments: [false, true])
    func toolLoop(isStored: Bool) async throws {
      let server = try LocalServer()
      let session = try session(server.url, store: isStored)
      var input = [InputItem.user("TOOL LOOP please")]
      var turns = 0
      var text = ""
      while !input.isEmpty, turns < 30 {
        turns += 1
        let turn = try session.start(input)
        for try await event in turn where event.kind == .outputTextDelta { text += event.delta }
        #expect(turn.stats.transport == .http)
        #expect(turn.stats.isDelta == (isStored && turns > 1))
        #expect(turn.usage != nil)
        input = turn.calls.map { .output(#"{"remaining": \#(19 - turns)}"#, for: $0) }
      }
      #expect(turns == 20)
      #expect(text == "LOOP DONE")
      #expect(try session.finished("RECALL").text == "RECALL users=2 tools=19 first=TOOL LOOP please")
    }

    @Test("the same turns with the same events as over WebSocket")
    func sameEvents() throws {
      let server = try LocalServer()
      var types: [[String]] = []
      for transport in [TransportChoice.webSocket, .http] {
        let session = try session(server.url) { $0.transport = transport }
        var seen: [String] = []
        for text in ["hello", "REASON about it", "REFUSE this", "LIMIT this long text", "PARALLEL 3"] {
          let turn = try session.start(text)
          while let event = try turn.next() { seen.append(event.type) }
        }
        types.append(seen)
      }
      #expect(types[0] == types[1])
      #expect(types[0].count > 50)
    }

    @Test("a cancel ends the exchange; the session goes on")
    func cancelled() throws {
      let server = try LocalServer()
      let session = try session(server.url)
      _ = try session.finished("first")
      let slow = try session.start("SLOW 3000 and slower")
      while slow.responseID.isEmpty { _ = try slow.next() }
      slow.cancel()
      #expect(slow.outcome == .cancelled)
      #expect(try session.finished("RECALL").text == "RECALL users=2 tools=0 first=first")
    }

    @Test("refusals are the typed errors of the answers")
    func refusals() throws {
      let server = try LocalServer { $0.apiKey = "sk-right-key" }
      let wrong = try session(server.url) { $0.apiKey = "sk-wrong-key" }
      let error = try failure { try wrong.start("hello").wait() }
      #expect(error.status == .unauthorized)
      #expect(error.httpStatus == 401)
      #expect(error.execution == .rejected)
      #expect(!error.message.contains("sk-wrong-key"))
      let right = try session(server.url) { $0.apiKey = "sk-right-key" }
      _ = try right.finished("first")
      #expect(try failure { try right.start("UPSTREAM ERROR").wait() }.status == .overloaded)
      #expect(try right.finished("RECALL").text == "RECALL users=2 tools=0 first=first")
      let gone = try session(try LocalServer().url)
      #expect(try failure { try gone.start("x").wait() }.status == .connectRefused)
    }

    @Test("the turn's time limits hold")
    func timeLimits() throws {
      let server = try LocalServer()
      let session = try session(server.url)
      var options = Session.TurnOptions()
      options.turnTimeout = .milliseconds(200)
      let turn = try session.start("SLOW 5000 words", options: options)
      #expect(try failure { try turn.wait() }.status == .turnTimeout)
      #expect(try session.finished("hello").text == "ECHO: hello")
    }

    @Test("a warm-up costs nothing and joins the history; a steer is returned; forks and compaction work")
    func others() throws {
      let server = try LocalServer()
      let session = try session(server.url)
      var options = Session.TurnOptions()
      options.isWarmUp = true
      #expect(try session.start("remember me", options: options).wait())
      #expect(try session.finished("RECALL").text == "RECALL users=2 tools=0 first=remember me")
      let slow = try session.start("SLOW 200 words")
      while slow.responseID.isEmpty { _ = try slow.next() }
      let steering = try slow.steer("faster")
      #expect(try steering.wait())
      guard case .returned(let error) = steering.state else {
        Issue.record("not returned: \(steering.state)")
        return
      }
      #expect(error.status == .notSupported)
      #expect(try slow.wait())
      let fork = try session.fork()
      #expect(try fork.finished("RECALL").text == "RECALL users=4 tools=0 first=remember me")
      #expect(try session.compact() != nil)
      #expect(try session.finished("RECALL").text == "RECALL users=4 tools=0 first=remember me")
    }

    @Test("many sessions at once")
    func manySessions() throws {
      let server = try LocalServer()
      var options = ClientOptions.test(server.url)
      options.transport = .http
      let client = try Client(options)
      let sessions = try (0..<40).map { _ in try client.session(settings: #"{"model":"rules","store":false}"#) }
      let turns = try sessions.enumerated().map { try $1.start("number \($0)") }
      for (number, turn) in turns.enumerated() {
        #expect(try turn.wait())
        #expect(turn.text == "ECHO: number \(number)")
      }
    }

    @Test("where WebSocket is refused, auto sends the same turn over HTTP; websocket says why not", arguments: [404, 405, 426, 501])
    func fallsBack(status: Int) throws {
      let server = try HTTPOnlyServer(refusingUpgradesWith: status)
      let automatic = try session(server.url) { $0.transport = .automatic }
      let turn = try automatic.finished("hello")
      #expect(turn.text == "fine")
      #expect(turn.stats.transport == .http)
      #expect(try automatic.finished("again").text == "fine")
      #expect(server.upgrades.value == 1)
      let strict = try session(server.url) { $0.transport = .webSocket }
      #expect(try failure { try strict.start("hello").wait() }.status == .upgradeRefused)
    }

    @Test("a WebSocket that is never answered costs the time for the upgrade, once")
    func silentUpgrade() throws {
      let server = try HTTPOnlyServer(refusingUpgradesWith: nil)
      let session = try session(server.url) {
        $0.transport = .automatic
        $0.upgradeTimeout = .milliseconds(200)
      }
      for _ in 1...3 { #expect(try session.finished("hello").stats.transport == .http) }
      #expect(server.upgrades.value == 1)
    }

    @Test("a request larger than a message may be goes over HTTP; the next is a message again")
    func tooLarge() throws {
      let server = try LocalServer()
      let session = try session(server.url, store: true) {
        $0.transport = .automatic
        $0.sentMessageBytesMax = 10_000
      }
      #expect(try session.finished("first").stats.transport == .webSocket)
      let large = try session.finished(String(repeating: "word ", count: 4000))
      #expect(large.stats.transport == .http)
      #expect(large.stats.isDelta)
      let after = try session.finished("RECALL")
      #expect(after.stats.transport == .webSocket)
      #expect(after.text == "RECALL users=3 tools=0 first=first")
    }

    @Test("a body that ends before the response, that is no event stream, or that is cut, is an error of the connection", arguments: [
      "data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n", "", ": keep-alive\n\n",
    ])
    func brokenOff(body: String) throws {
      let server = try HTTPOnlyServer(refusingUpgradesWith: 426, answering: body)
      let session = try session(server.url)
      let error = try failure { try session.start("hello").wait() }
      #expect(error.status == .connectionLost)
      #expect(error.execution == .unknown)
    }
  }
}

/// Answers every POST with the same events, and every upgrade with a status.
private final class HTTPOnlyServer: ListenerDelegate, ServerChannelDelegate, @unchecked Sendable {
  let upgrades = Holder(0)
  let url: String
  private let status: Int?
  private let answer: String
  private let loop: EventLoop
  private let thread: IOThread
  private var listener: Listener?
  private var channels: [ServerChannel] = []

  static let fine = [
    #"{"type":"response.created","response":{"id":"resp_1","status":"in_progress"}}"#,
    #"{"type":"response.output_text.delta","item_id":"m","output_index":0,"delta":"fine"}"#,
    #"{"type":"response.output_item.done","output_index":0,"item":{"id":"m","type":"message","role":"assistant","content":[{"type":"output_text","text":"fine","annotations":[]}]}}"#,
    #"{"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[]}}"#,
  ].map { "data: \($0)\r\n\r\n" }.joined() + "data: [DONE]\n\n"

  init(refusingUpgradesWith status: Int?, answering body: String = fine) throws {
    self.status = status
    answer = body
    loop = try EventLoop()
    let relay = Relay()
    var options = ListenOptions()
    options.host = "127.0.0.1"
    let listener = try Listener(options, on: loop, delegate: relay)
    url = "ws://127.0.0.1:\(listener.port)/v1"
    thread = try IOThread(loop: loop, name: "http-only")
    self.listener = listener
    relay.server = self
  }

  deinit {
    let (listener, channels) = (listener, channels)
    nonisolated(unsafe) let stop = {
      listener?.close()
      for channel in channels { channel.abort() }
    }
    loop.post { stop() }
    thread.stopAndJoin()
  }

  private final class Relay: ListenerDelegate {
    weak var server: HTTPOnlyServer?
    func listener(_ listener: Listener, accepted channel: ServerChannel) {
      server?.listener(listener, accepted: channel)
    }
  }

  func listener(_ listener: Listener, accepted channel: ServerChannel) {
    channels.append(channel)
    channel.delegate = self
  }

  func channel(_ channel: ServerChannel, received request: ServerRequest) {
    guard !request.isWebSocketUpgrade else {
      upgrades.change { $0 += 1 }
      if let status { channel.respond(HTTPAnswer(status: status)) }
      return
    }
    _ = channel.beginAnswer(status: 200, fields: HTTPFields(["Content-Type": "text/event-stream"]))
    channel.sendPart(Array(answer.utf8))
    channel.endAnswer()
  }

  func channelClosed(_ channel: ServerChannel) {}
}
