import RWSClient
import RWSNetwork
import ResponsesServer
import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("API keys that are asked for, with the local server") struct APIKeySourceTests {
    private static let good = "sk-good-0123456789"
    private static let bad = "sk-bad-9876543210"

    private func client(
      _ url: String, _ source: APIKeySource, _ configure: (inout ClientOptions) -> Void = { _ in }
    ) throws -> Client {
      var options = ClientOptions.test(url)
      options.apiKey = nil
      options.apiKeySource = source
      configure(&options)
      return try Client(options)
    }

    /// Gives the keys one after the other, then the last for ever; remembers what it was told.
    private func source(_ keys: [String], told: Holder<[Bool]> = Holder([])) -> APIKeySource {
      APIKeySource { request in
        told.change { $0.append(request.isRefused) }
        request.answer(keys[min(told.value.count, keys.count) - 1])
      }
    }

    private let settings = #"{"model":"rules","store":false}"#

    @Test("each connection has a fresh key, asked of a closure that waits")
    func changing() async throws {
      let peer = try ScriptedPeer()
      let count = Holder(0)
      let source = APIKeySource { (_: Bool) async throws -> String in
        try await Task.sleep(for: .milliseconds(5))
        return "sk-number-\(count.change { $0 += 1; return $0 })"
      }
      let client = try client(peer.url, source)
      for _ in 0..<3 {
        let session = try client.session(settings: #"{"model":"m"}"#)
        _ = try session.finished("hello")
        peer.onConnection { $0.close(code: 1001, reason: "") }
        session.close()
        // The next session would take the connection over if it were still there.
        try #require(peer.openConnections.wait { $0 == 0 })
      }
      #expect(peer.upgrades.value.map { $0.header("authorization") } == (1...3).map { "Bearer sk-number-\($0)" })
      #expect(try client.counters.keyRequestCount == 3)
    }

    @Test("refused once, then fine", arguments: [TransportChoice.webSocket, .http])
    func refusedOnce(transport: TransportChoice) throws {
      let server = try LocalServer { $0.apiKey = Self.good }
      let told = Holder<[Bool]>([])
      let client = try client(server.url, source([Self.bad, Self.good], told: told)) { $0.transport = transport }
      let session = try client.session(settings: settings)
      #expect(try session.finished("hello").text == "ECHO: hello")
      #expect(told.value == [false, true])
      #expect(try client.counters.refusedKeyCount == 1)
    }

    @Test("refused twice is the error, without the key", arguments: [TransportChoice.webSocket, .http])
    func refusedTwice(transport: TransportChoice) throws {
      let server = try LocalServer { $0.apiKey = Self.good }
      let lines = Holder<[String]>([])
      let client = try client(server.url, source([Self.bad])) {
        $0.transport = transport
        $0.logLevel = .debug
        $0.log = { _, line in lines.change { $0.append(line) } }
      }
      let session = try client.session(settings: settings)
      let error = try failure { _ = try session.finished("hello") }
      #expect(error.status == .unauthorized)
      let text = lines.value.joined(separator: "\n") + "\(error) \(error.message)" + String(decoding: error.body, as: UTF8.self)
      #expect(!text.contains(Self.bad))
      #expect(text.contains("asking for another API key"))
    }

    @Test("a callback that fails, gives nothing, nonsense or no answer is a typed error", arguments: 0..<4)
    func failing(kind: Int) throws {
      let server = try LocalServer()
      let client = try client(
        server.url,
        APIKeySource { request in
          switch kind {
          case 0: request.fail("the vault is shut")
          case 1: request.answer("")
          case 2: request.answer("sk-two\r\nlines: 1")
          default: break
          }
        })
      let error = try failure { _ = try client.session(settings: settings).finished("hello") }
      #expect(error.status == .apiKey)
      #expect(error.execution == .notSent)
      #expect(!error.message.contains("sk-two"))
      if kind == 0 { #expect(error.message == "the vault is shut") }
    }

    @Test("a slow callback stops nobody else, and is waited for as long as connecting may take")
    func slow() throws {
      let server = try LocalServer()
      let kept = Holder<[APIKeyRequest]>([])
      let slow = APIKeySource { request in kept.change { $0.append(request) } }
      var options = ClientOptions.test(server.url)
      options.connectTimeout = .milliseconds(200)
      let client = try Client(options)
      let waiting = try client.session(settings: settings, as: Identity(apiKeySource: slow))
      let turn = try waiting.start("hello")
      #expect(try client.session(settings: settings).finished("fast").text == "ECHO: fast")
      let error = try failure { try turn.wait() }
      #expect(error.status == .apiKey)
      // Too late: nobody's.
      for request in kept.value { request.answer(Self.good) }
      #expect(try client.session(settings: settings).finished("still").text == "ECHO: still")
    }

    @Test("the callback may call the library")
    func reentrant() throws {
      let server = try LocalServer()
      let holder = Holder<Client?>(nil)
      let sessions = Holder<[Session]>([])
      let settings = self.settings
      let client = try client(
        server.url,
        APIKeySource { request in
          if let client = holder.value, let session = try? client.session(settings: settings) {
            _ = try? session.start("from within")
            sessions.change { $0.append(session) }
            _ = try? client.counters
          }
          request.answer(Self.good)
        })
      holder.change { $0 = client }
      #expect(try client.session(settings: settings).finished("hello").text == "ECHO: hello")
      #expect(!sessions.value.isEmpty)
      holder.change { $0 = nil }
      sessions.change { $0 = [] }
    }

    @Test("sessions share connections if their source is the same object, whatever the keys")
    func sharing() throws {
      let peer = try ScriptedPeer()
      var options = ClientOptions.test(peer.url)
      options.apiKey = ""
      let client = try Client(options)
      let one = APIKeySource { $0.answer(Self.good) }
      let two = APIKeySource { $0.answer(Self.good) }
      let sessions = try [one, one, two].map {
        try client.session(settings: #"{"model":"m"}"#, as: Identity(apiKeySource: $0))
      }
      for session in sessions { _ = try session.finished("hello") }
      #expect(peer.upgrades.value.count == 3)
      // Lanes are not known of: each session has a connection, but those of one source can be taken over.
      sessions[0].close()
      _ = try client.session(settings: #"{"model":"m"}"#, as: Identity(apiKeySource: one)).finished("again")
      #expect(peer.upgrades.value.count == 3)
      sessions[2].close()
      _ = try client.session(settings: #"{"model":"m"}"#, as: Identity(apiKeySource: two)).finished("again")
      #expect(peer.upgrades.value.count == 4)
    }

    @Test("compacting, counting and raw connections ask, too")
    func others() throws {
      let server = try LocalServer { $0.apiKey = Self.good }
      let told = Holder<[Bool]>([])
      let client = try client(server.url, source([Self.good, Self.bad, Self.good], told: told))
      let session = try client.session(settings: settings)
      _ = try session.finished("hello")
      #expect(try session.countTokens([.user("more")]) > 0)
      #expect(told.value == [false, false, true])
      #expect(try session.compact() != nil)
      let socket = try client.socket()
      #expect(try socket.connect(timeout: .seconds(10)))
      #expect(told.value == [false, false, true, false, false])
      try socket.close()
    }

    @Test("a key and a callback for it are too many")
    func both() throws {
      let source = source([Self.good])
      let error = try failure { _ = try client("ws://127.0.0.1:1/v1", source) { $0.apiKey = Self.good } }
      #expect(error.status == .invalidArgument)
      let text = "\(ClientOptions(baseURL: "ws://h", apiKey: nil)) \(Identity(apiKeySource: source))"
      #expect(text.contains("asked for"))
    }
  }
}
