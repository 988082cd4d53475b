import RWSWebSocket

/// Where and how a client channel connects.
package struct ConnectOptions: Sendable {
  package var url: WebSocketURL
  /// Needed for a `wss` URL, not used for others.
  package var tls: TLSContext?
  /// nil: straight to the target.
  package var proxy: ProxyHop?
  /// Sent besides those of the handshake (a Host among them replaces the URL's).
  package var fields: HTTPFields
  /// Whom the credentials stand for: no connection passes from one to another.
  package var identity: UInt64 = 0
  package var subprotocols: [String] = []
  package var timeouts = ConnectTimeouts()
  var happyEyeballs = HappyEyeballs<SocketAddress>.Options()
  package var limits = ChannelLimits()
  package var liveness = LivenessLimits()
  /// permessage-deflate as it is offered; nil: it is not.
  package var deflate: DeflateOffer? = DeflateOffer()

  package init(url: WebSocketURL, tls: TLSContext? = nil, fields: HTTPFields = HTTPFields()) {
    self.url = url
    self.tls = tls
    self.fields = fields
  }
}

/// How long connecting may take, in nanoseconds: as a whole, and each stage; `.max` for no limit of its own.
package struct ConnectTimeouts: Sendable {
  package var overall: Int64 = 15_000_000_000
  /// Until the first address is known.
  package var dns = Int64.max
  /// Until one address has answered. Also for a proxy's answer, for it is the proxy that connects then.
  package var tcp = Int64.max
  /// Each handshake, where there is one with a proxy and one with the target.
  package var tls = Int64.max
  package var upgrade = Int64.max

  package init() {}

  func limit(of stage: NetworkFailure.Stage) -> Int64 {
    switch stage {
    case .resolving: dns
    case .connecting, .tunnelling: tcp
    case .securing: tls
    case .upgrading: upgrade
    }
  }
}
