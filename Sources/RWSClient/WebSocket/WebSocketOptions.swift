extension WebSocket {
  /// Where a raw connection leads and how much it may hold; everything else (TLS, time limit of connecting,
  /// largest received message) is its client's.
  public struct Options: Sendable {
    /// Whether the client's API key, organisation, project and headers go with the upgrade request.
    public enum Credentials: Int32, Sendable {
      /// Only to the scheme, host and port of the client's base URL: a key never reaches another host.
      case sameOrigin = 0
      case always = 1
      case never = 2
    }

    /// ws, wss, http or https. nil: the client's base URL followed by `/responses`.
    public var url: String?
    public var credentials = Credentials.sameOrigin
    /// Sent in any case; they win over the client's of the same name.
    public var headers: [Header] = []
    /// Offered to the server, the preferred one first (RFC 6455 §1.9).
    public var subprotocols: [String] = []
    /// Unread messages beyond this many bytes stop the reading from the socket, until a quarter is left.
    public var receiveQueueBytesMax = 8 << 20
    /// What would make more bytes than this wait for the network is refused with `limit`.
    public var sendQueueBytesMax = 64 << 20
    /// Whether `receive` also gives the peer's pongs.
    public var reportsPongs = false
    /// Whether the first message is one of kind `opened`.
    public var reportsOpening = false

    static let queueBytesLimit = 1 << 30

    public init(url: String? = nil) { self.url = url }
  }

  /// What the server answered to the upgrade request.
  public struct Handshake: Sendable {
    /// 101, or that of a refusal.
    public var status: Int
    /// In the order of the answer.
    public var headers: [Header]
    /// What of the offered was chosen; nil: none.
    public var subprotocol: String?
    /// The `Sec-WebSocket-Extensions` in use; empty: none.
    public var extensions = ""
    /// Numeric address and port of the server, or of the proxy, as in `127.0.0.1:443`; empty where the upgrade was
    /// refused.
    public var peerAddress: String
    /// As in `TLSv1.3`; nil without TLS.
    public var tlsVersion: String?
    /// The proxy on the way, as in `http://proxy.example:3128`; nil: none.
    public var proxy: String?

    /// The first header of that name, whose case does not matter.
    public subscript(_ name: String) -> String? {
      headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
  }

  /// The end of the closing handshake as RFC 6455 §7.1.5 and §7.1.6 have it.
  public struct Close: Sendable, Equatable {
    /// The peer's; 1005: its Close frame had none; 1006: the connection ended without one.
    public var code: UInt16
    public var reason: String
  }
}
