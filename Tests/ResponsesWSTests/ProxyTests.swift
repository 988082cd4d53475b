import ResponsesWS
import Testing

@testable import RWSWebSocket

/// The table of proxies and their failures is bindings/python/tests/test_proxies.py; this is what Swift adds.
extension SwiftFace {
  @Suite("Proxies") struct ProxyTests {
    private static let password = "hunter2-and-more"

    /// A proxy that wants other credentials, and repeats those it got.
    private func refusing() throws -> RawPeer {
      let basic = Base64.encode(Array("user:\(Self.password)".utf8))
      let page = "you sent \(Self.password) as \(basic)"
      return try RawPeer(
        .init(
          answer: "HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\n"
            + "Content-Length: \(page.utf8.count)\r\n\r\n\(page)"))
    }

    private func options(_ proxy: RawPeer) -> ClientOptions {
      var options = ClientOptions.test("ws://127.0.0.1:1/v1")
      options.proxy = "http://user:\(Self.password)@127.0.0.1:\(proxy.port)"
      return options
    }

    private func expectRefusal(_ error: ResponsesError, by proxy: RawPeer) {
      #expect(error.status == .proxyUnauthorized && error.httpStatus == 407)
      #expect(error.execution == .notSent && !error.isRetryable)
      #expect(error.message.contains("the proxy http://127.0.0.1:\(proxy.port) (option proxy)"))
      #expect(error.message.contains("NTLM"))
      let body = String(decoding: error.body, as: UTF8.self)
      #expect(body == "you sent [redacted] as [redacted]")
    }

    @Test("a turn hears of the proxy's refusal, without the credentials that it repeats")
    func turn() throws {
      let proxy = try refusing()
      defer { proxy.stop() }
      let session = try Client(options(proxy)).session(settings: "{}")
      expectRefusal(try failure { try session.start("hello").wait() }, by: proxy)
    }

    @Test("a raw connection takes the proxy that its own URL calls for")
    func raw() throws {
      let proxy = try refusing()
      defer { proxy.stop() }
      let peer = try ScriptedPeer(script: ScriptedPeer.mirror)
      defer { peer.stop() }
      var options = options(proxy)
      options.noProxy = peer.url.split(separator: "/").dropFirst().first.map(String.init)
      let client = try Client(options)
      let proxied = try client.socket(WebSocket.Options())
      expectRefusal(try failure { try proxied.connect() }, by: proxy)
      let direct = try client.socket(WebSocket.Options(url: peer.url))
      #expect(try direct.connect())
      #expect(direct.handshake?.proxy == nil)
      #expect(direct.handshake?.status == 101)
    }

    @Test("options do not show the proxy's credentials, however they are printed")
    func printing() throws {
      var options = ClientOptions()
      options.proxy = "http://user:\(Self.password)@proxy.example"
      var dumped = ""
      dump(options, to: &dumped)
      for text in ["\(options)", String(reflecting: options), dumped] {
        #expect(!text.contains(Self.password))
      }
      #expect("\(options)".contains("proxy: given"))
    }
  }
}
