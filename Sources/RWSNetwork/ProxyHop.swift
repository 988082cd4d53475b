import RWSWebSocket

/// A proxy on the way to the target. `StreamOpener` dials it in the target's place, and there is no other
/// way round it: where the proxy fails, the connection fails.
package struct ProxyHop: Sendable {
  package let proxy: Proxy
  /// For TLS with the proxy itself, before anything is said to it; needed for an `https` proxy.
  package let tls: TLSContext?

  package init(_ proxy: Proxy, tls: TLSContext? = nil) {
    self.proxy = proxy
    self.tls = tls
  }

  var host: String { proxy.url.host }
  var port: UInt16 { UInt16(clamping: proxy.url.port) }

  /// For messages: which proxy, and who asked for it.
  var description: String { "the proxy \(proxy.url) (\(proxy.source))" }

  var needsTLS: Bool { proxy.url.kind == .https }

  /// The proxy gets the target's address, looked up here, and never its name.
  var needsTargetAddress: Bool { proxy.url.kind == .socks5 }
}
