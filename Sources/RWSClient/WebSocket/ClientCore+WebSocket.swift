import RWSNetwork
import RWSWebSocket

extension ClientCore {
  /// The way of a raw connection: the client's own, but for what its options say.
  func connectOptions(
    for options: WebSocket.Options
  ) throws(ResponsesError) -> ConnectOptions {
    var connect = self.connect
    do throws(WebSocketURLError) {
      if let url = options.url { connect.url = try WebSocketURL(url) }
    } catch {
      throw ResponsesError(.invalidArgument, "The URL is not usable: \(error)")
    }
    connect.proxy = try proxies.hop(to: connect.url)
    connect.fields = fields(for: options, to: connect.url)
    connect.subprotocols = options.subprotocols
    do throws(UpgradeRequestError) {
      // Only for its checks: a bad header must fail here, not on the loop.
      _ = try ClientHandshake(
        url: connect.url, nonce: [UInt8](repeating: 0, count: 16), fields: connect.fields,
        subprotocols: options.subprotocols)
    } catch {
      throw ResponsesError(.invalidArgument, "The upgrade cannot be requested: \(error).")
    }
    connect.tls = try tls(for: options, to: connect.url)
    // The bound that callers see is kept before messages reach the channel; this one is behind it.
    connect.limits.queuedBytes = 2 * WebSocket.Options.queueBytesLimit
    return connect
  }

  private func carriesCredentials(_ options: WebSocket.Options, to url: WebSocketURL) -> Bool {
    switch options.credentials {
    case .sameOrigin: url.hasSameOrigin(as: connect.url)
    case .always: true
    case .never: false
    }
  }

  func asksForKey(_ options: WebSocket.Options, to url: WebSocketURL) -> Bool {
    self.options.apiKeySource != nil && carriesCredentials(options, to: url)
  }

  /// A client certificate is a credential, too.
  private func tls(
    for options: WebSocket.Options, to url: WebSocketURL
  ) throws(ResponsesError) -> TLSContext? {
    guard url.isSecure else { return nil }
    guard self.options.clientCertificateFile == nil || carriesCredentials(options, to: url) else {
      var anonymous = self.options
      anonymous.clientCertificateFile = nil
      anonymous.clientKeyFile = nil
      return try anonymous.tlsContext()
    }
    if let tls = connect.tls { return tls }
    return try self.options.tlsContext()
  }

  private func fields(for options: WebSocket.Options, to url: WebSocketURL) -> HTTPFields {
    let clients = carriesCredentials(options, to: url) ? self.options.upgradeHeaders : [.userAgent]
    var fields = HTTPFields()
    for header in clients.overridden(by: options.headers) { fields.append(header.name, header.value) }
    return fields
  }
}
