/// Where a proxy setting was found.
package enum ProxySource: Hashable, Sendable, CustomStringConvertible {
  case option(String)
  case variable(String)

  package var description: String {
    switch self {
    case .option(let name): "option \(name)"
    case .variable(let name): "environment variable \(name)"
    }
  }
}

/// A proxy setting that cannot be read. Whoever meets it must not connect directly instead.
package struct ProxySettingError: Error, Equatable, Sendable, CustomStringConvertible {
  package let source: ProxySource
  package let error: ProxyURLError

  package var description: String {
    "The \(source) names no usable proxy: \(error). Correct it, or exclude this host with no_proxy"
  }
}

/// A proxy and who asked for it.
package struct Proxy: Hashable, Sendable {
  package let url: ProxyURL
  package let source: ProxySource

  package init(_ url: ProxyURL, from source: ProxySource) {
    self.url = url
    self.source = source
  }
}

/// Which way a connection takes.
package enum ProxyRoute: Equatable, Sendable {
  case direct(DirectReason)
  case proxy(Proxy)

  package enum DirectReason: Equatable, Sendable {
    case noSetting
    case switchedOff
    case excluded(by: ProxySource, entry: String)
  }
}

/// Which proxy a connection takes, decided as curl does, from explicit options and a snapshot of the
/// environment.
///
/// An option wins over the environment: `proxy` over the `…_proxy` variables, `no_proxy` over `$no_proxy`.
/// The exclusions hold for a proxy from either place. An empty `proxy` means none at all, an empty `no_proxy`
/// no exclusion; an empty variable counts as unset. Lower case wins over upper case.
package struct ProxyRules: Sendable {
  /// The variables that `init` looks at. `HTTP_PROXY` is not among them: in a CGI program it is the request's
  /// `Proxy:` header, chosen by whoever sent the request.
  package static let variables =
    secureVariables + plainVariables + fallbackVariables + exclusionVariables
  private static let secureVariables = ["wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY"]
  private static let plainVariables = ["ws_proxy", "WS_PROXY", "http_proxy"]
  private static let fallbackVariables = ["all_proxy", "ALL_PROXY"]
  private static let exclusionVariables = ["no_proxy", "NO_PROXY"]

  private let proxy: String?
  private let environment: [String: String]
  private let exclusions: (list: NoProxyList, source: ProxySource)?

  package init(environment: [String: String], proxy: String? = nil, noProxy: String? = nil) {
    self.proxy = proxy
    self.environment = environment.filter { !$0.value.isEmpty }
    let found = Self.first(Self.exclusionVariables, in: self.environment)
    if let noProxy {
      exclusions = (NoProxyList(noProxy), .option("no_proxy"))
    } else {
      exclusions = found.map { (NoProxyList($0.value), .variable($0.name)) }
    }
  }

  package func route(to url: WebSocketURL) throws(ProxySettingError) -> ProxyRoute {
    let text: String
    let source: ProxySource
    if let proxy {
      guard !proxy.isEmpty else { return .direct(.switchedOff) }
      (text, source) = (proxy, .option("proxy"))
    } else {
      let names = url.isSecure ? Self.secureVariables : Self.plainVariables
      guard let found = Self.first(names + Self.fallbackVariables, in: environment) else {
        return .direct(.noSetting)
      }
      (text, source) = (found.value, .variable(found.name))
    }
    if let exclusions, let entry = exclusions.list.entry(matching: url) {
      return .direct(.excluded(by: exclusions.source, entry: entry))
    }
    do throws(ProxyURLError) {
      return .proxy(Proxy(try ProxyURL(text), from: source))
    } catch {
      throw ProxySettingError(source: source, error: error)
    }
  }

  /// All that the settings hold, used or not: to be kept out of whatever leaves the library.
  package var credentials: [ProxyCredentials] {
    let names = Self.secureVariables + Self.plainVariables + Self.fallbackVariables
    return ([proxy] + names.map { environment[$0] }).compactMap { text in
      text.flatMap { try? ProxyURL($0).credentials }
    }
  }

  private static func first(
    _ names: [String], in environment: [String: String]
  ) -> (name: String, value: String)? {
    for name in names {
      if let value = environment[name] { return (name, value) }
    }
    return nil
  }
}
