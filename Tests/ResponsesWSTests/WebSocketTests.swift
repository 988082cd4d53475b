import RWSNetwork
import RWSWebSocket
import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("A raw connection") struct WebSocketTests {
    static func socket(
      _ url: String, key: String = "", _ configure: (inout WebSocket.Options) -> Void = { _ in }
    ) throws -> WebSocket {
      var options = WebSocket.Options()
      configure(&options)
      return try Client(.test(url, apiKey: key)).socket(options)
    }

    /// The next message, which must come.
    static func next(_ socket: WebSocket) throws -> WebSocket.Message {
      try #require(try socket.receive())
    }

    @Test("messages of both kinds go out and come back as they are, whatever their size")
    func echo() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let socket = try Self.socket(peer.url)
      for size in [0, 1, 125, 126, 65535, 65536, 3 << 20] {
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
        try socket.send(binary: bytes)
        try socket.send(String(repeating: "é", count: size / 2))
        let binary = try Self.next(socket)
        #expect(binary.kind == .binary)
        #expect(binary.bytes == bytes)
        let text = try Self.next(socket)
        #expect(text.kind == .text)
        #expect(text.text == String(repeating: "é", count: size / 2))
      }
      #expect(try socket.close())
    }

    @Test("what is sent before the connection is open goes out in order, once it is")
    func early() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let socket = try Self.socket(peer.url)
      for number in 0..<100 { try socket.send("\(number)") }
      for number in 0..<100 { #expect(try Self.next(socket).text == "\(number)") }
      #expect(socket.state == .open)
    }

    @Test("the handshake can be read: status, headers, subprotocol, peer")
    func handshake() throws {
      let acceptance = HTTPFields(["X-Request-Id": "req_7", "Sec-WebSocket-Protocol": "chat.2"])
      let peer = try ScriptedPeer(acceptance: acceptance, script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let socket = try Self.socket(peer.url) { $0.subprotocols = ["chat.1", "chat.2"] }
      #expect(try socket.connect())
      let handshake = try #require(socket.handshake)
      #expect(handshake.status == 101)
      #expect(handshake["x-request-id"] == "req_7")
      #expect(handshake.subprotocol == "chat.2")
      #expect(peer.url.contains(handshake.peerAddress))
      #expect(handshake.tlsVersion == nil)
      #expect(peer.upgrades.value.first?.header("Sec-WebSocket-Protocol") == "chat.1, chat.2")
      #expect(peer.upgrades.value.first?.target == "/v1/responses")
    }

    @Test("over TLS, also to another place than a plain base URL")
    func tls() throws {
      let authority = try Certificates.authority()
      let peer = try ScriptedPeer(
        tls: try Certificates.leaf(["127.0.0.1"], by: authority), script: ScriptedPeer.mirror)
      defer { peer.stop() }
      try Certificates.withFile(authority) { file in
        var options = ClientOptions.test("ws://127.0.0.1:1/v1")
        options.caFile = file
        let socket = try Client(options).socket(.init(url: peer.url))
        try socket.send("hello")
        #expect(try Self.next(socket).text == "hello")
        #expect(socket.handshake?.tlsVersion?.hasPrefix("TLSv1.") == true)
      }
      let untrusting = try Self.socket("ws://127.0.0.1:1/v1") { $0.url = peer.url }
      #expect(try failure { try untrusting.connect() }.status == .tlsUntrusted)
    }

    @Test("credentials go to the base URL's origin only, unless the caller says otherwise")
    func credentials() throws {
      let home = try ScriptedPeer(script: ScriptedPeer.mirror)
      let abroad = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer {
        home.stop()
        abroad.stop()
      }
      var options = ClientOptions.test(home.url, apiKey: "sk-secret-key")
      options.organization = "org"
      options.headers = [Header("X-Session", "secret-header"), Header("X-Own", "client's")]
      let client = try Client(options)
      let cases: [(ScriptedPeer, WebSocket.Options.Credentials, Bool)] = [
        (home, .sameOrigin, true), (home, .always, true), (home, .never, false),
        (abroad, .sameOrigin, false), (abroad, .always, true), (abroad, .never, false),
      ]
      for (peer, credentials, areSent) in cases {
        var options = WebSocket.Options(url: peer.url + "/elsewhere?x=1")
        options.credentials = credentials
        options.headers = [Header("X-Own", "socket's")]
        let socket = try client.socket(options)
        #expect(try socket.connect())
        let request = try #require(peer.upgrades.value.last)
        #expect(request.target == "/v1/elsewhere?x=1")
        #expect(request.header("Authorization") == (areSent ? "Bearer sk-secret-key" : nil))
        #expect(request.header("OpenAI-Organization") == (areSent ? "org" : nil))
        #expect(request.header("X-Session") == (areSent ? "secret-header" : nil))
        #expect(request.head.fields.values("X-Own") == ["socket's"])
        #expect(request.header("User-Agent")?.hasPrefix("libresponsesws/") == true)
      }
    }

    @Test("another scheme or another name of the same host is another origin")
    func otherOrigin() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let secure = try Client(.test("wss" + peer.url.dropFirst(2), apiKey: "sk-secret-key"))
      let named = try Client(.test(peer.url(host: "localhost"), apiKey: "sk-secret-key"))
      for client in [secure, named] {
        #expect(try client.socket(.init(url: peer.url)).connect())
        #expect(peer.upgrades.value.last?.header("Authorization") == nil)
      }
    }

    @Test("a refused upgrade: the error and the handshake tell what the server said, without the key")
    func refused() throws {
      let answer = HTTPAnswer(
        status: 401, fields: HTTPFields(["X-Request-Id": "req_9"]),
        body: Array(#"{"error":{"message":"bad key sk-secret-key","code":"invalid_api_key"}}"#.utf8))
      let peer = try ScriptedPeer(refusal: answer)
      defer { peer.stop() }
      let socket = try Self.socket(peer.url, key: "sk-secret-key")
      for _ in 0..<2 {
        let error = try failure { try socket.connect() }
        #expect(error.status == .unauthorized)
        #expect(error.httpStatus == 401)
        #expect(error.code == "invalid_api_key")
        #expect(!"\(error)".contains("sk-secret-key"))
        #expect(try failure { _ = try socket.receive() } == error)
        #expect(try failure { try socket.send("late") } == error)
        #expect(socket.error == error)
      }
      #expect(socket.handshake?.status == 401)
      #expect(socket.handshake?["x-request-id"] == "req_9")
      #expect(socket.state == .ended)
    }

    @Test("the credentials of a connection's own headers are kept out of errors, too")
    func ownCredentials() throws {
      let body = #"{"error":{"message":"bad own-secret-token"}}"#
      let peer = try ScriptedPeer(
        refusal: HTTPAnswer(status: 400, fields: HTTPFields(), body: Array(body.utf8)))
      defer { peer.stop() }
      let socket = try Self.socket(peer.url) {
        $0.headers = [Header("X-Token", "own-secret-token")]
      }
      let error = try failure { try socket.connect() }
      #expect(!"\(error) \(String(decoding: error.body, as: UTF8.self))".contains("own-secret"))
    }

    @Test("options that cannot be used are refused before anything is sent")
    func badOptions() throws {
      let client = try Client(.test("ws://127.0.0.1:1/v1"))
      func refusal(_ configure: (inout WebSocket.Options) -> Void) throws -> ResponsesError {
        var options = WebSocket.Options()
        configure(&options)
        return try failure { _ = try client.socket(options) }
      }
      #expect(try refusal { $0.url = "ftp://x/" }.status == .invalidArgument)
      let userInfo = try refusal { $0.url = "wss://user:secret@host/" }
      #expect(userInfo.status == .invalidArgument)
      #expect(!userInfo.message.contains("secret"))
      #expect(try refusal { $0.headers = [Header("a b", "c")] }.status == .invalidArgument)
      #expect(try refusal { $0.headers = [Header("Upgrade", "x")] }.status == .invalidArgument)
      #expect(try refusal { $0.subprotocols = ["a", "a"] }.status == .invalidArgument)
      #expect(try refusal { $0.sendQueueBytesMax = 0 }.status == .invalidArgument)
      #expect(try refusal { $0.receiveQueueBytesMax = .max }.status == .invalidArgument)
    }

    @Test("text that is not UTF-8 is not sent; neither is a ping of 126 bytes")
    func badMessages() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let socket = try Self.socket(peer.url)
      #expect(try failure { try socket.send(text: [0x61, 0xFF]) }.status == .invalidArgument)
      #expect(try failure { try socket.send(text: [0xC3]) }.status == .invalidArgument)
      #expect(
        try failure { try socket.ping([UInt8](repeating: 0, count: 126)) }.status
          == .invalidArgument)
      try socket.send(text: [0xC3, 0xA9])
      #expect(try Self.next(socket).text == "é")
    }

    @Test("a message beyond the client's limit for sent messages is refused")
    func tooLarge() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      var options = ClientOptions.test(peer.url)
      options.sentMessageBytesMax = 1000
      let socket = try Client(options).socket()
      let error = try failure { try socket.send(String(repeating: "x", count: 1001)) }
      #expect(error.status == .messageTooLarge)
      try socket.send(String(repeating: "x", count: 1000))
      #expect(try Self.next(socket).count == 1000)
    }

    @Test("RFC 6455 §5.5.3: a pong answers its ping; it is seen as a time, or as a message if asked for")
    func ping() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let socket = try Self.socket(peer.url) { $0.reportsPongs = true }
      #expect(socket.roundTripTime == nil)
      try socket.ping(Array("first".utf8))
      let pong = try Self.next(socket)
      #expect(pong.kind == .pong)
      #expect(pong.text == "first")
      #expect(try #require(socket.roundTripTime) > .zero)
      let quiet = try Self.socket(peer.url)
      try quiet.ping()
      try quiet.send("after it")
      #expect(try Self.next(quiet).text == "after it")
      #expect(quiet.roundTripTime != nil)
    }

    @Test("the word that the connection is open comes first, if asked for")
    func opening() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let socket = try Self.socket(peer.url) { $0.reportsOpening = true }
      try socket.send("early")
      let first = try Self.next(socket)
      #expect(first.kind == .opened)
      #expect(first.count == 0)
      #expect(try Self.next(socket).text == "early")
    }

    @Test("the descriptor is readable while something was not read, and for the end until it was")
    func descriptor() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let socket = try Self.socket(peer.url)
      let descriptor = try socket.descriptor
      #expect(try socket.connect())
      #expect(!Descriptors.isReadable(descriptor, within: 0))
      try socket.send("1")
      #expect(Descriptors.isReadable(descriptor, within: 20_000))
      #expect(try Self.next(socket).text == "1")
      #expect(!Descriptors.isReadable(descriptor, within: 0))
      peer.onConnection { $0.close(code: 1000) }
      #expect(Descriptors.isReadable(descriptor, within: 20_000))
      #expect(try socket.receive() == nil)
      #expect(!Descriptors.isReadable(descriptor, within: 0))
      #expect(try socket.receive() == nil)
    }

    @Test("receive(within:) says that nothing came, and two readers at a time are refused")
    func waiting() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let socket = try Self.socket(peer.url)
      guard case .nothingYet = try socket.receive(within: .milliseconds(5)) else {
        Issue.record("something came")
        return
      }
      let seen = Holder<[String]>([])
      Background.run {
        var text: String?
        while text == nil { text = (try? socket.receive())??.text }
        seen.change { $0.append(text ?? "") }
      }
      // Until the other thread waits, this one finds nothing. It does not wait itself: it would win.
      var isBusy = false
      while !isBusy {
        do { _ = try socket.receive(within: .zero) } catch { isBusy = error.status == .busy }
      }
      try socket.send("for the other")
      #expect(seen.wait { $0 == ["for the other"] })
    }

    @Test("messages go to a callback in order, then the end; its answers leave at once")
    func callback() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let client = try Client(.test(peer.url))
      let seen = Holder<[String]>([])
      let socket = try client.socket { socket, message in
        seen.change { $0.append(message?.text ?? "end") }
        guard let message, let number = Int(message.text), number < 20 else { return }
        try? socket.send("\(number + 1)")
      }
      #expect(try failure { _ = try socket.receive(within: .zero) }.status == .busy)
      try socket.send("0")
      #expect(seen.wait { $0.count == 21 })
      #expect(try socket.close())
      #expect(seen.wait { $0.last == "end" })
      #expect(seen.value.dropLast() == (0...20).map { "\($0)" })
    }

    @Test("waiting inside a callback is refused, asking is not")
    func waitingInCallback() throws {
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      let client = try Client(.test(peer.url))
      let statuses = Holder<[Status]>([])
      let socket = try client.socket { socket, message in
        guard message != nil else { return }
        let calls: [() throws -> Void] = [
          { _ = try socket.close(timeout: .seconds(1)) },
          { _ = try client.close() },
          { _ = try socket.connect() },  // open already: no wait
        ]
        for call in calls {
          do {
            try call()
            statuses.change { $0.append(.ok) }
          } catch let error as ResponsesError {
            statuses.change { $0.append(error.status) }
          } catch {}
        }
      }
      try socket.send("go")
      #expect(statuses.wait { $0.count == 3 })
      #expect(statuses.value == [.wouldDeadlock, .wouldDeadlock, .ok])
    }

    @Test("more than the send queue holds is refused with `limit`; flush tells when there is room")
    func sendBound() throws {
      let peer = try ScriptedPeer(script: { connection, _ in connection.stopReading() })
      defer { peer.stop() }
      var options = ClientOptions.test(peer.url, apiKey: "")
      // What is counted here must not shrink on its way.
      options.compression = .off
      var bounds = WebSocket.Options()
      bounds.sendQueueBytesMax = 1 << 20
      let socket = try Client(options).socket(bounds)
      try socket.send("stop reading")
      #expect(try socket.flush())
      let chunk = [UInt8](repeating: 0x78, count: 256 << 10)
      let error = try failure { while true { try socket.send(binary: chunk) } }
      #expect(error.status == .limit)
      // Whatever the kernel takes of it, in the end the queue stays full.
      while (try? socket.flush(timeout: .milliseconds(50))) == true {
        _ = try? failure { while true { try socket.send(binary: chunk) } }
      }
      #expect(socket.queuedBytes > 0)
      #expect(socket.queuedBytes <= 1 << 20)
      #expect(try socket.close(timeout: .milliseconds(10)) == false)
      #expect(try failure { try socket.send("more") }.status == .closed)
    }

    @Test("a slow reader stops the peer at the bound; in the end everything was read, in order")
    func receiveBound() throws {
      let count = 400
      let filler = String(repeating: "x", count: 128 << 10)
      let peer = try ScriptedPeer { connection, _ in
        connection.send((0..<count).map { "\($0) \(filler)" })
        connection.close(code: 1000)
      }
      defer { peer.stop() }
      let socket = try Self.socket(peer.url) { $0.receiveQueueBytesMax = 1 << 20 }
      try socket.send("go")
      #expect(try Self.next(socket).text.hasPrefix("0 "))
      // 50 MiB do not fit into 1 MiB of queue and what kernels buffer: the connection lasts.
      #expect(socket.state == .open)
      for number in 1..<count { #expect(try Self.next(socket).text.hasPrefix("\(number) ")) }
      #expect(try socket.receive() == nil)
    }
  }
}
