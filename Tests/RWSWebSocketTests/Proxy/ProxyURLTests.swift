import Testing

@testable import RWSWebSocket

@Suite struct ProxyURLTests {
  @Test(
    "curl's proxy texts: scheme, host, port with curl's defaults",
    arguments: [
      ("http://proxy.example:3128", .http, "proxy.example:3128"),
      ("proxy.example:3128", .http, "proxy.example:3128"),
      ("proxy.example", .http, "proxy.example:1080"),
      ("localhost:80", .http, "localhost:80"),
      ("HTTP://Proxy.Example", .http, "proxy.example:1080"),
      ("https://p", .https, "p:443"), ("https://p:8443/", .https, "p:8443"),
      ("socks5://p", .socks5, "p:1080"), ("socks5h://p:9", .socks5h, "p:9"),
      ("http://[::1]:8080", .http, "[::1]:8080"), ("[2001:DB8::1]", .http, "[2001:db8::1]:1080"),
      ("http://10.0.0.1", .http, "10.0.0.1:1080"), (" http://p:1\t", .http, "p:1"),
      ("user:secret@p:1", .http, "p:1"), ("http://user@p", .http, "p:1080"),
      ("http://@p", .http, "p:1080"),
    ] as [(String, ProxyURL.Kind, String)])
  func valid(_ text: String, _ kind: ProxyURL.Kind, _ endpoint: String) throws {
    let url = try ProxyURL(text)
    #expect(url.kind == kind)
    #expect(url.endpoint == endpoint)
    #expect(url.description == "\(kind.rawValue)://\(endpoint)")
  }

  @Test(
    "what names no proxy, and why",
    arguments: [
      ("", .missingHost), ("http://", .missingHost), ("http://:80", .missingHost),
      ("http://user:p@", .missingHost), ("ftp://p", .unsupportedScheme("ftp")),
      ("socks://p", .unsupportedScheme("socks")), ("socks4://p", .unsupportedScheme("socks4")),
      ("socks4a://p", .unsupportedScheme("socks4a")), ("://p", .unsupportedScheme("")),
      ("user:s3cret://p", .unexpectedPart), ("http://p:0", .invalidPort),
      ("http://p:65536", .invalidPort), ("http://p:", .invalidPort), ("p:1:2", .invalidPort),
      ("::1", .missingHost), ("http://[::1", .invalidHost), ("http://a..b", .invalidHost),
      ("http://a%20b", .invalidHost), ("http://[fe80::1%25eth0]", .invalidHost),
      ("http://p/x", .unexpectedPart), ("http://p?", .unexpectedPart),
      ("http://p#", .unexpectedPart), ("http://user:12/34@p:1", .unexpectedPart),
      ("http://user:12#34@p:1", .unexpectedPart), ("http://p q", .invalidCharacter),
      ("http://p\r\nX: y", .invalidCharacter), ("http://é", .invalidCharacter),
      ("http://u:p\u{0}@p", .invalidCharacter), ("http://u:%@p", .invalidCredentials),
      ("http://u:%4@p", .invalidCredentials), ("http://u:%zz@p", .invalidCredentials),
      ("http://u:a%0Ab@p", .invalidCredentials), ("http://u:%00@p", .invalidCredentials),
      ("http://u%3Av:p@p", .colonInUser),
      ("socks5://\(String(repeating: "u", count: 256))@p", .credentialsTooLong),
    ] as [(String, ProxyURLError)])
  func invalid(_ text: String, _ expected: ProxyURLError) {
    #expect(throws: expected) { try ProxyURL(text) }
  }

  @Test("user and password are percent-decoded, at the last @")
  func credentials() throws {
    for (text, user, password) in [
      ("http://user:secret@p", "user", "secret"), ("http://user@p", "user", ""),
      ("http://u%40x:p%3A%2F%25@p", "u@x", "p:/%"), ("http://u:a:b@p", "u", "a:b"),
      ("http://u:p@ss@p", "u", "p@ss"), ("socks5://u%3Av:%C3%A9@p", "u:v", "é"),
      ("http://:secret@p", "", "secret"),
    ] {
      let credentials = try #require(try ProxyURL(text).credentials)
      #expect(String(decoding: credentials.user, as: UTF8.self) == user)
      #expect(String(decoding: credentials.password, as: UTF8.self) == password)
    }
    #expect(try ProxyURL("http://p").credentials == nil)
  }

  @Test("RFC 7617 §2: the example's value of an Authorization field")
  func basic() throws {
    let url = try ProxyURL("http://Aladdin:open%20sesame@p")
    #expect(url.credentials?.basic == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
  }

  @Test("no way of printing a proxy shows its credentials")
  func redaction() throws {
    let url = try ProxyURL("http://someone:hunter2@p")
    let proxy = Proxy(url, from: .variable("https_proxy"))
    var dumped = ""
    dump(proxy, to: &dumped)
    for text in ["\(url)", String(reflecting: url), "\(proxy)", String(reflecting: proxy), dumped] {
      #expect(!text.contains("hunter2") && !text.contains("someone"))
    }
    let errors: [ProxyURLError] = [.invalidPort, .unexpectedPart, .unsupportedScheme("socks")]
    for error in errors { #expect(!"\(error)".isEmpty) }
  }
}
