import Testing

@testable import RWSWebSocket

@Suite struct WebSocketURLTests {
  @Test(
    "RFC 6455 §3: scheme, host, port, path and query",
    arguments: [
      ("wss://api.openai.com/v1", "api.openai.com", 443, true, "/v1", "api.openai.com"),
      ("https://API.OpenAI.com/v1/", "api.openai.com", 443, true, "/v1/", "api.openai.com"),
      ("ws://127.0.0.1:8080", "127.0.0.1", 8080, false, "/", "127.0.0.1:8080"),
      (
        "HTTP://localhost:80/a?model=x&b=%20", "localhost", 80, false, "/a?model=x&b=%20",
        "localhost"
      ),
      ("ws://h?q", "h", 80, false, "/?q", "h"),
      ("ws://h/a?b?c/d", "h", 80, false, "/a?b?c/d", "h"),
      ("wss://h:80/", "h", 80, true, "/", "h:80"),
      ("ws://[::1]:9/x", "::1", 9, false, "/x", "[::1]:9"),
      ("wss://[2001:DB8::1]/x", "2001:db8::1", 443, true, "/x", "[2001:db8::1]"),
      ("ws://my_host.local./", "my_host.local.", 80, false, "/", "my_host.local."),
    ])
  func valid(
    _ text: String, _ host: String, _ port: Int, _ isSecure: Bool, _ target: String,
    _ authority: String
  ) throws {
    let url = try WebSocketURL(text)
    #expect(url.host == host && url.port == port && url.isSecure == isSecure)
    #expect(url.target == target && url.authority == authority)
    #expect(url.isIPv6 == text.contains("["))
  }

  @Test(
    "what is no base URL, and why",
    arguments: [
      ("", .missingScheme), ("api.openai.com/v1", .missingScheme), ("wss:/h", .missingScheme),
      ("localhost:80", .missingScheme), ("ftp://h", .unsupportedScheme("ftp")),
      ("://h", .unsupportedScheme("")), ("ws://u:p@h/", .userInfo), ("ws://u@h", .userInfo),
      ("ws://h/#x", .fragment), ("ws://h#", .fragment), ("ws:///v1", .missingHost),
      ("ws://:80/", .missingHost), ("ws://", .missingHost), ("ws://a..b/", .invalidHost),
      ("ws://./", .invalidHost), ("ws://a%20b/", .invalidHost), ("ws://[::1/", .invalidHost),
      ("ws://[]/", .invalidHost), ("ws://[fe80::1%25eth0]/", .invalidHost),
      ("ws://[::1]x/", .invalidHost), ("ws://::1/", .missingHost), ("ws://h:/", .invalidPort),
      ("ws://h:0/", .invalidPort), ("ws://h:65536/", .invalidPort), ("ws://h:8a/", .invalidPort),
      ("ws://h:1:2/", .invalidPort), ("ws://h/a b", .invalidCharacter),
      ("ws://h/\r\nX: y", .invalidCharacter), ("ws://h/é", .invalidCharacter),
      ("ws://h/%", .invalidCharacter), ("ws://h/%2", .invalidCharacter),
      ("ws://h/%zz", .invalidCharacter), ("ws://h/a\\b", .invalidCharacter),
      ("ws://h/?a<b", .invalidCharacter), ("ws://h\u{0}/", .invalidCharacter),
    ] as [(String, WebSocketURLError)])
  func invalid(_ text: String, _ expected: WebSocketURLError) {
    var error: WebSocketURLError?
    do throws(WebSocketURLError) { _ = try WebSocketURL(text) } catch let caught { error = caught }
    #expect(error == expected)
  }

  @Test("labels and names have the lengths of DNS")
  func lengths() {
    let label = String(repeating: "a", count: 63)
    #expect(throws: Never.self) { try WebSocketURL("ws://\(label).b") }
    #expect(throws: WebSocketURLError.invalidHost) { try WebSocketURL("ws://a\(label).b") }
    let name = Array(repeating: label, count: 4).joined(separator: ".")
    #expect(throws: WebSocketURLError.invalidHost) { try WebSocketURL("ws://\(name)") }
  }

  @Test("a path segment goes before the query, with one slash")
  func appending() throws {
    for (base, target) in [
      ("ws://h", "/responses"), ("ws://h/", "/responses"), ("ws://h/v1", "/v1/responses"),
      ("ws://h/v1/?model=m", "/v1/responses?model=m"), ("ws://h?a", "/responses?a"),
    ] {
      #expect(try WebSocketURL(base).appendingPath("responses").target == target)
    }
  }

  @Test(
    "RFC 3986 §3.2.2: IPv6 addresses",
    arguments: [
      ("::", true), ("::1", true), ("1::", true), ("1:2:3:4:5:6:7:8", true), ("1::8", true),
      ("::ffff:1.2.3.4", true), ("64:ff9b::192.0.2.33", true), ("1:2:3:4:5:6:1.2.3.4", true),
      ("1:2:3:4:5:6:7::", true), ("", false), (":", false), (":::", false), ("1:::2", false),
      ("1::2::3", false), ("1:2:3:4:5:6:7", false), ("1:2:3:4:5:6:7:8:9", false),
      ("1:2:3:4:5:6:7:8::", false), (":1:2:3:4:5:6:7", false), ("1:2:3:4:5:6:7:", false),
      ("12345::", false), ("g::", false), ("1.2.3.4", false), ("::1.2.3", false),
      ("::1.2.3.256", false), ("::1.2.3.04", false), ("1.2.3.4::", false), ("::1.2.3.4:5", false),
      ("::1:2:3:4:5:6:7:8", false), ("1:2:3:4:5:6:7:1.2.3.4", false),
    ])
  func ipv6(_ text: String, _ isValid: Bool) {
    #expect((IPAddress.ipv6(text.utf8) != nil) == isValid)
  }
}
