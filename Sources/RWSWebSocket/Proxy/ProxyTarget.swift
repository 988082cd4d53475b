/// The place that a tunnel is to lead to.
package struct ProxyTarget: Equatable, Sendable {
  package enum Host: Equatable, Sendable {
    /// Resolved by the proxy.
    case name(String)
    case address(IPAddress)
  }

  package let host: Host
  package let port: UInt16

  package init(_ host: Host, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// `address`: what the host's name was resolved to, where the proxy is not to do it.
  package init(_ url: WebSocketURL, address: IPAddress? = nil) {
    host = (address ?? IPAddress(url.host.utf8)).map { .address($0) } ?? .name(url.host)
    port = UInt16(clamping: url.port)
  }
}
