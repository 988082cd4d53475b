import RWSWebSocket

/// What must be the same for one exchange to go on with another's connection.
struct ConnectionKey: Hashable {
  private let isSecure: Bool
  private let host: String
  private let port: Int
  private let proxy: ProxyURL?
  // Objects that the connection's TLS keeps alive: no other can be in their place meanwhile.
  private let tls: ObjectIdentifier?
  private let proxyTLS: ObjectIdentifier?
  private let identity: UInt64

  init(_ options: ConnectOptions) {
    isSecure = options.url.isSecure
    host = options.url.host
    port = options.url.port
    proxy = options.proxy?.proxy.url
    tls = options.url.isSecure ? options.tls.map { ObjectIdentifier($0) } : nil
    proxyTLS = options.proxy?.needsTLS == true ? options.proxy?.tls.map { ObjectIdentifier($0) } : nil
    identity = options.identity
  }
}
