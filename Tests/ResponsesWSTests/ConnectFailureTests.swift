import Glibc
import RWSNetwork
import RWSWebSocket
import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("No connection: a typed error that says what to do") struct ConnectFailureTests {
    private func expect(
      _ error: ResponsesError, _ status: Status, _ words: String...,
      location: SourceLocation = #_sourceLocation
    ) {
      #expect(error.status == status, "\(error)", sourceLocation: location)
      #expect(error.execution == .notSent, sourceLocation: location)
      for word in words {
        #expect(error.message.contains(word), "\(error.message)", sourceLocation: location)
      }
    }

    /// The error of a turn, which is also that of `connect()`.
    private func turnError(_ session: Session) throws -> ResponsesError {
      let ahead = try failure { try session.connect(timeout: .seconds(20)) }
      let turn = try session.start("hello")
      let error = try failure { while try turn.next() != nil {} }
      #expect(ahead.status == error.status)
      #expect(ahead.message == error.message)
      #expect(turn.outcome == .failed)
      #expect(turn.error == error)
      return error
    }

    @Test("a wrong key is unauthorized: check the API key", arguments: [401, 403])
    func wrongKey(status: Int) throws {
      let peer = try ScriptedPeer(
        refusal: HTTPAnswer(
          status: status, fields: HTTPFields(["x-request-id": "req_7"]),
          json:
            #"{"error":{"type":"invalid_request_error","code":"invalid_api_key","message":"Incorrect API key provided.","param":null}}"#
        ))
      defer { peer.stop() }
      let error = try turnError(try Client.session(peer.url) { $0.apiKey = "sk-wrong-key" })
      expect(error, .unauthorized, "\(status)", "Check the API key", "Incorrect API key provided.")
      #expect(error.httpStatus == status)
      #expect(error.code == "invalid_api_key")
      #expect(error.requestID == "req_7")
      #expect(!error.isRetryable)
    }

    @Test("a host name without address is a dns error that names the host")
    func wrongHost() throws {
      let error = try turnError(try Client.session("ws://no-such-host.invalid/v1"))
      expect(error, .dns, "no-such-host.invalid", "DNS")
    }

    @Test("who looks again instead of waiting learns why the attempt failed, and begins no other")
    func lookedAtAgain() throws {
      let peer = try RawPeer(.init(), accepts: false)
      let session = try Client.session(peer.url)
      for _ in 0..<3 { #expect(try session.connect(timeout: .zero) == false) }
      try peer.dropOne()
      peer.stop()
      let deadline = MonotonicClock.deadline(after: 20_000_000_000)
      let error = try failure {
        while try !session.connect(timeout: .zero), MonotonicClock.now() < deadline { usleep(1000) }
      }
      // Another attempt would be refused.
      expect(error, .connectionLost, "127.0.0.1:\(peer.port)")
      // It is told once.
      #expect(try failure { try session.connect(timeout: .seconds(20)) }.status == .connectRefused)
    }

    @Test("a port where nothing listens refuses the connection, and the message names it")
    func refused() throws {
      let gone = try RawPeer(.init())
      gone.stop()
      let error = try turnError(try Client.session(gone.url))
      expect(error, .connectRefused, "127.0.0.1:\(gone.port)", "Check that the server runs")
      #expect(error.isRetryable)
    }

    @Test(
      "an HTTP answer instead of the upgrade says what kind of server that is",
      arguments: [
        (200, Status.upgradeRefused, "Check the URL"), (404, .upgradeRefused, "HTTP only"),
        (426, .upgradeRefused, "HTTP only"), (301, .upgradeRefused, "Redirects are not followed"),
        (429, .rateLimited, "Wait"), (503, .overloaded, "try again"),
      ])
    func noUpgrade(httpStatus: Int, status: Status, advice: String) throws {
      let peer = try ScriptedPeer(
        refusal: HTTPAnswer(
          status: httpStatus, fields: HTTPFields(["retry-after": "3"]), body: Array("<html>hello".utf8)))
      defer { peer.stop() }
      let error = try turnError(try Client.session(peer.url))
      expect(error, status, "\(httpStatus)", advice)
      #expect(error.httpStatus == httpStatus)
      #expect(error.retryAfterMilliseconds == 3000)
      #expect(error.body == Array("<html>hello".utf8))
    }

    @Test("an answer that is no HTTP, or a wrong accept key, is a handshake error")
    func brokenHandshake() throws {
      let answers = [
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          + "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
      ]
      for answer in answers {
        let peer = try RawPeer(.init(answer: answer))
        defer { peer.stop() }
        expect(try turnError(try Client.session(peer.url)), .handshake, "127.0.0.1:\(peer.port)")
      }
    }

    @Test("a connection that is closed in the middle of the handshake is a handshake error")
    func closedInHandshake() throws {
      let peer = try RawPeer(.init(answer: "HTTP/1.1 101 Swi", end: .close))
      defer { peer.stop() }
      let error = try turnError(try Client.session(peer.url))
      expect(error, .handshake, "127.0.0.1:\(peer.port)", "closed the connection", "Check the URL")
    }

    @Test("a server that accepts and says nothing: the connect timeout, and where the time went")
    func connectTimeout() throws {
      let peer = try RawPeer(.init(), accepts: false)
      defer { peer.stop() }
      let error = try turnError(
        try Client.session(peer.url) { $0.connectTimeout = .milliseconds(80) })
      expect(error, .connectTimeout, "80 ms", "upgrade")
    }

    @Test("a stage's own limit: what was under way, and the limit")
    func stageTimeout() throws {
      let peer = try RawPeer(.init(), accepts: false)
      defer { peer.stop() }
      let error = try turnError(
        try Client.session(peer.url) {
          $0.dnsTimeout = .seconds(20)
          $0.tcpTimeout = .seconds(20)
          $0.upgradeTimeout = .milliseconds(80)
        })
      expect(error, .connectTimeout, "80 ms", "upgrade")
      let secure = try turnError(
        try Client.session("wss" + peer.url.dropFirst(2)) { $0.tlsTimeout = .milliseconds(80) })
      expect(secure, .connectTimeout, "80 ms", "TLS handshake")
    }

    @Test("turns that wait while connecting fails: each gets its own answer, none hangs")
    func waitingTurns() throws {
      let gone = try RawPeer(.init())
      gone.stop()
      let session = try Client.session(gone.url)
      let turns = try (0..<5).map { _ in try session.start("hello") }
      for turn in turns {
        expect(try failure { try turn.wait() }, .connectRefused, "\(gone.port)")
      }
    }

    @Test(
      "a base URL that is none is refused at once, with the reason",
      arguments: ["", "ftp://host/v1", "ws://", "ws://host:99999/v1", "no url"])
    func badURL(url: String) throws {
      let error = try failure { _ = try Client(baseURL: url, apiKey: "") }
      expect(error, .invalidArgument, "base URL")
    }

    @Test("a key or header with a line break is refused at once, and is not repeated")
    func badHeader() throws {
      let key = try failure { _ = try Client(baseURL: "ws://host/v1", apiKey: "sk-se\r\ncret") }
      expect(key, .invalidArgument, "header")
      #expect(!key.description.contains("cret"))
      var options = ClientOptions(baseURL: "ws://host/v1", apiKey: "")
      options.headers = [Header("X Y", "value")]
      expect(try failure { _ = try Client(options) }, .invalidArgument, "header")
    }
  }
}
