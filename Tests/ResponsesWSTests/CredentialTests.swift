import RWSWebSocket
import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("Credentials appear nowhere") struct CredentialTests {
    static let key = "sk-proj-0123456789-secret"
    static let token = "cGFzc3dvcmQ6c2VjcmV0"

    /// Everything that a client with secrets logs, and the text of every part of its errors.
    private func texts(
      _ peer: ScriptedPeer, clientKey: String = key, as identity: Identity? = nil,
      _ use: (Session) throws -> Void
    ) throws -> String {
      defer { peer.stop() }
      let lines = Holder<[String]>([])
      var options = ClientOptions.test(peer.url, apiKey: clientKey)
      options.headers = [Header("Proxy-Authorization", "Basic \(Self.token)")]
      options.log = { level, line in lines.change { $0.append("\(level) \(line)") } }
      options.logLevel = .debug
      do {
        let client = try Client(options)
        let session = try client.session(settings: "{}", as: identity)
        do { try use(session) } catch let error as ResponsesError {
          lines.change {
            $0.append("\(error) \(String(reflecting: error)) \(error.message)")
            $0.append(String(decoding: error.body, as: UTF8.self))
          }
        }
        lines.change {
          $0.append("\(client) \(session) \(options) \(String(reflecting: options)) \(options.headers)")
          var dumped = ""
          dump(options, to: &dumped)
          $0.append(dumped)
        }
      }
      return lines.value.joined(separator: "\n")
    }

    private func expectNoSecret(_ text: String, _ word: String, location: SourceLocation = #_sourceLocation) {
      #expect(text.contains(word), sourceLocation: location)
      #expect(!text.contains(Self.key), sourceLocation: location)
      #expect(!text.contains(Self.token), sourceLocation: location)
      #expect(!text.contains("Bearer"), sourceLocation: location)
    }

    @Test("not in what is logged of a conversation")
    func log() throws {
      let peer = try ScriptedPeer()
      let text = try texts(peer) { _ = try $0.finished("hello") }
      expectNoSecret(text, "connected")
      expectNoSecret(text, "sending")
      #expect(peer.upgrades.value.first?.header("authorization") == "Bearer \(Self.key)")
    }

    @Test("not in an error, even if the server's answer to the upgrade repeats them")
    func upgrade() throws {
      let body =
        #"{"error":{"message":"Incorrect API key: \#(Self.key).","code":"\#(Self.key)","param":"Basic \#(Self.token)"}}"#
      let peer = try ScriptedPeer(
        refusal: HTTPAnswer(
          status: 401, fields: HTTPFields(["x-request-id": Self.token]), json: body))
      let text = try texts(peer) { try $0.start("hello").wait() }
      expectNoSecret(text, "Incorrect API key: [redacted]")
    }

    @Test("nor those of a session's own identity")
    func identity() throws {
      let peer = try ScriptedPeer(
        refusal: HTTPAnswer(
          status: 401, fields: HTTPFields(), json: #"{"error":{"message":"Bad \#(Self.key)"}}"#))
      let identity = Identity(apiKey: Self.key)
      let text = try texts(peer, clientKey: "sk-of-the-client", as: identity) {
        try $0.start("hello").wait()
      }
      expectNoSecret(text + "\(identity) \(String(reflecting: identity))", "Bad [redacted]")
    }

    @Test(
      "not in an error of the API, of an event that is none, or of a close frame that repeat them",
      arguments: [0, 1, 2])
    func turn(kind: Int) throws {
      let peer = try ScriptedPeer { connection, _ in
        switch kind {
        case 0: connection.send(ServerEvent.error(400, code: "x", "with \(Self.key) \(Self.token)"))
        case 1: connection.send("with \(Self.key) \(Self.token)")
        default: connection.close(code: 1008, reason: "with \(Self.key) \(Self.token)")
        }
      }
      let text = try texts(peer) { try $0.start("hello").wait() }
      expectNoSecret(text, "with [redacted]")
    }
  }
}
