/// How the open way to a target came about.
package struct StreamInfo: Sendable {
  /// Numeric address and port of the peer, or of the proxy, as in `127.0.0.1:443` or `[::1]:443`.
  package var peerAddress: String
  /// As in `TLSv1.3`; nil without TLS with the target.
  package var tlsVersion: String?
  /// The TLS session of an earlier connection was taken up again.
  package var tlsResumed: Bool
  /// The proxy on the way, as in `http://proxy.example:3128`, without credentials; nil: none.
  package var proxy: String?

  /// For logs.
  package var description: String {
    let way = proxy.map { "through the proxy \($0), " } ?? ""
    let tls = tlsVersion.map { tlsResumed ? "\($0), resumed" : $0 } ?? "plain"
    return "\(peerAddress) (\(way)\(tls))"
  }
}
