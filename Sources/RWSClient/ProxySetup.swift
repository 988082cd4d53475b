import RWSNetwork
import RWSWebSocket

/// Which proxy the connections of a client take: decided per URL, by its options and by what the environment was
/// when it was made.
struct ProxySetup: Sendable {
  private let rules: ProxyRules
  /// What the proxies' own TLS is made of. What the configuration for targets shows or pins is not theirs.
  private var trust = TLSClientOptions()
  /// The client's own way, decided first, so that its TLS configuration is shared by all that take it.
  private var shared: ProxyHop?
  /// For the log: how the client's own way was decided.
  private(set) var description = ""

  init(_ options: ClientOptions, to url: WebSocketURL) throws(ResponsesError) {
    rules = options.proxyRules
    trust.caFile = options.caFile
    let route = try route(to: url)
    description = Self.describe(route)
    shared = try hop(route)
  }

  /// nil: straight to the target. Throws where the setting cannot be read: nothing goes round it.
  func hop(to url: WebSocketURL) throws(ResponsesError) -> ProxyHop? { try hop(route(to: url)) }

  private func hop(_ route: ProxyRoute) throws(ResponsesError) -> ProxyHop? {
    switch route {
    case .direct: return nil
    case .proxy(let proxy):
      if let shared, shared.proxy == proxy { return shared }
      do throws(NetworkFailure) {
        let tls = proxy.url.kind == .https ? try TLSContext.client(trust) : nil
        return ProxyHop(proxy, tls: tls)
      } catch {
        throw ResponsesError(error)
      }
    }
  }

  private func route(to url: WebSocketURL) throws(ResponsesError) -> ProxyRoute {
    do throws(ProxySettingError) {
      return try rules.route(to: url)
    } catch {
      throw ResponsesError(.invalidArgument, "\(error).")
    }
  }

  private static func describe(_ route: ProxyRoute) -> String {
    switch route {
    case .direct(.noSetting): "connections are direct: no proxy is set"
    case .direct(.switchedOff): "connections are direct: the option proxy is empty"
    case .direct(.excluded(let source, let entry)):
      "connections are direct: the \(source) excludes \(entry)"
    case .proxy(let proxy): "connections go through the proxy \(proxy.url) (\(proxy.source))"
    }
  }
}
