import Testing

@testable import RWSWebSocket

@Suite struct NoProxyListTests {
  @Test(
    "which entry excludes which URL",
    arguments: [
      // Names: the host itself and all below it, with a leading dot or without.
      ("example.com", "wss://example.com", true), ("example.com", "wss://www.example.com", true),
      ("example.com", "wss://a.b.example.com", true), (".example.com", "wss://example.com", true),
      (".example.com", "wss://www.example.com", true),
      ("*.example.com", "wss://www.example.com", true),
      ("example.com", "wss://nonexample.com", false), ("example.com", "wss://example.org", false),
      ("example.com", "wss://example.com.org", false), ("www.example.com", "wss://example.com", false),
      ("EXAMPLE.com", "wss://Example.COM", true), ("example.com.", "wss://example.com", true),
      ("example.com", "wss://example.com.", true), ("com", "wss://example.com", true),
      ("localhost", "ws://localhost:9", true), ("localhost", "ws://127.0.0.1", false),
      // Everything.
      ("*", "wss://anything", true), ("a,*", "wss://b", true), ("*", "ws://[::1]", true),
      // Lists.
      ("a.com,b.com", "wss://b.com", true), ("a.com, b.com", "wss://b.com", true),
      ("a.com b.com", "wss://b.com", true), ("a.com ,\t,\n b.com", "wss://b.com", true),
      (",", "wss://b.com", false), ("", "wss://b.com", false), (" ", "wss://b.com", false),
      (".", "wss://b.com", false),
      // Ports.
      ("b.com:443", "wss://b.com", true), ("b.com:443", "wss://b.com:444", false),
      ("b.com:80", "wss://b.com", false), (".b.com:8080", "ws://a.b.com:8080", true),
      ("10.0.0.1:80", "ws://10.0.0.1", true), ("10.0.0.1:81", "ws://10.0.0.1", false),
      ("[::1]:80", "ws://[::1]", true), ("[::1]:81", "ws://[::1]", false),
      ("b.com:0", "wss://b.com", false), ("b.com:x", "wss://b.com", false),
      ("b.com:", "wss://b.com", false), ("b.com:99999999999999999999", "wss://b.com", false),
      // Addresses.
      ("127.0.0.1", "ws://127.0.0.1:9", true), ("127.0.0.1", "ws://127.0.0.11", false),
      ("0.0.1", "ws://127.0.0.1", false), ("1", "ws://127.0.0.1", false),
      ("::1", "ws://[::1]", true), ("[::1]", "ws://[::1]", true),
      ("0:0:0:0:0:0:0:1", "ws://[::1]", true), ("::2", "ws://[::1]", false),
      ("10.0.0.1", "ws://[::ffff:10.0.0.1]", true), ("::ffff:10.0.0.1", "ws://10.0.0.1", true),
      // Networks.
      ("10.0.0.0/8", "ws://10.255.1.2", true), ("10.0.0.0/8", "ws://11.0.0.1", false),
      ("192.168.4.0/22", "ws://192.168.7.255", true), ("192.168.4.0/22", "ws://192.168.8.0", false),
      ("10.1.2.3/8", "ws://10.9.9.9", true), ("0.0.0.0/0", "ws://1.2.3.4", true),
      ("0.0.0.0/0", "ws://[::1]", false), ("::/0", "ws://[::1]", true), ("::/0", "ws://1.2.3.4", false),
      ("1.2.3.4/32", "ws://1.2.3.4", true), ("1.2.3.4/32", "ws://1.2.3.5", false),
      ("fd00::/8", "ws://[fdab::1]", true), ("fd00::/8", "ws://[fc00::1]", false),
      ("2001:db8::/33", "ws://[2001:db8:7fff::]", true),
      ("2001:db8::/33", "ws://[2001:db8:8000::]", false), ("::1/128", "ws://[::1]", true),
      ("[fd00::]/8", "ws://[fdab::1]", true),
      // What cannot be read leads through the proxy.
      ("10.0.0.0/33", "ws://10.0.0.1", false), ("10.0.0.0/-1", "ws://10.0.0.1", false),
      ("10.0.0.0/", "ws://10.0.0.0", false), ("10.0.0/8", "ws://10.0.0.1", false),
      ("::/129", "ws://[::1]", false), ("example.com/8", "ws://example.com", false),
      ("10.0.0.0/8:80", "ws://10.0.0.1", false), ("http://b.com", "ws://b.com", false),
    ])
  func matches(_ list: String, _ url: String, _ isExcluded: Bool) throws {
    let entry = NoProxyList(list).entry(matching: try WebSocketURL(url))
    #expect((entry != nil) == isExcluded)
  }

  @Test("the entry is told as it was written")
  func entry() throws {
    let list = NoProxyList("x, .Example.com:443 ,y")
    #expect(list.entry(matching: try WebSocketURL("wss://a.example.com")) == ".Example.com:443")
  }
}
