import Testing

@testable import RWSWebSocket

@Suite struct ProxyRulesTests {
  /// The route in one word: the proxy's endpoint and where it was set, or why there is none.
  private func route(
    _ environment: [String: String], proxy: String? = nil, noProxy: String? = nil,
    to url: String = "wss://api.example/v1"
  ) throws -> String {
    let rules = ProxyRules(environment: environment, proxy: proxy, noProxy: noProxy)
    switch try rules.route(to: try WebSocketURL(url)) {
    case .direct(.noSetting): return "direct"
    case .direct(.switchedOff): return "off"
    case .direct(.excluded(let source, let entry)): return "excluded \(entry) \(source)"
    case .proxy(let proxy): return "\(proxy.url) \(proxy.source)"
    }
  }

  @Test(
    "curl's order of variables: the scheme's own, lower case first, then https or http, then all",
    arguments: [
      (["wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"], "wss"),
      (["ws_proxy", "WS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"], "ws"),
    ])
  func order(_ names: [String], _ scheme: String) throws {
    for index in names.indices {
      let set = names[index...]
      let environment = Dictionary(uniqueKeysWithValues: set.map { ($0, "p-\($0.lowercased()):1") })
      let name = names[index]
      #expect(
        try route(environment, to: "\(scheme)://h")
          == "http://p-\(name.lowercased()):1 environment variable \(name)")
    }
  }

  @Test("lower case wins, also over another value in upper case; an empty variable is unset")
  func cases() throws {
    #expect(try route(["https_proxy": "a:1", "HTTPS_PROXY": "b:1"]).hasPrefix("http://a:1"))
    #expect(try route(["https_proxy": "", "HTTPS_PROXY": "b:1"]).hasPrefix("http://b:1"))
    #expect(try route(["https_proxy": "", "no_proxy": ""]) == "direct")
    #expect(
      try route(["ALL_PROXY": "a:1", "no_proxy": "other", "NO_PROXY": "*"]).hasPrefix("http://a:1"))
  }

  @Test("HTTP_PROXY is a CGI request's header and never read; nor are variables of other schemes")
  func unread() throws {
    #expect(try route(["HTTP_PROXY": "evil:1"], to: "ws://h") == "direct")
    #expect(try route(["HTTP_PROXY": "evil:1"]) == "direct")
    #expect(!ProxyRules.variables.contains("HTTP_PROXY"))
    #expect(try route(["http_proxy": "p:1", "ws_proxy": "p:1"]) == "direct")
    #expect(try route(["https_proxy": "p:1", "wss_proxy": "p:1"], to: "ws://h") == "direct")
  }

  @Test("every variable that is looked at is in the list that the shell reads")
  func variables() {
    #expect(Set(ProxyRules.variables).count == 11 && ProxyRules.variables.count == 11)
  }

  @Test("https and http base URLs are wss and ws")
  func schemes() throws {
    let environment = ["https_proxy": "s:1", "http_proxy": "p:1"]
    #expect(try route(environment, to: "https://h").hasPrefix("http://s:1"))
    #expect(try route(environment, to: "http://h").hasPrefix("http://p:1"))
  }

  @Test("the options win over the environment; empty switches off")
  func options() throws {
    let environment = ["https_proxy": "e:1", "no_proxy": "api.example"]
    #expect(try route(environment, proxy: "o:1", noProxy: "") == "http://o:1 option proxy")
    #expect(try route(environment, proxy: "") == "off")
    #expect(
      try route(environment, noProxy: "") == "http://e:1 environment variable https_proxy")
    #expect(
      try route(["https_proxy": "e:1"], noProxy: ".example")
        == "excluded .example option no_proxy")
  }

  @Test("as with curl, NO_PROXY also excludes from a proxy that an option names")
  func exclusion() throws {
    #expect(
      try route(["NO_PROXY": "api.example"], proxy: "o:1")
        == "excluded api.example environment variable NO_PROXY")
  }

  @Test("a setting that cannot be read is an error, never a direct connection")
  func failsClosed() throws {
    let environment = ["https_proxy": "http://user:hunter2@pro xy", "all_proxy": "good:1"]
    let error = #expect(throws: ProxySettingError.self) { try route(environment) }
    #expect(error?.source == .variable("https_proxy") && error?.error == .invalidCharacter)
    let text = try #require(error).description
    #expect(text.contains("https_proxy") && !text.contains("hunter2"))
    #expect(throws: ProxySettingError.self) { try route([:], proxy: "socks4://p") }
    // Not met, no error.
    #expect(try route(environment, to: "ws://h") == "http://good:1 environment variable all_proxy")
    #expect(try route(environment, noProxy: "*").hasPrefix("excluded"))
  }
}
