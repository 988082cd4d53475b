import Glibc
import RWSWebSocket

/// An additional header of the upgrade request.
public struct Header: Sendable, Equatable {
  public var name: String
  public var value: String

  public init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

public enum LogLevel: Int32, Sendable, Comparable {
  case error = 1
  case warning = 2
  case info = 3
  case debug = 4

  public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}

/// How a client connects, and the limits of its turns.
public struct ClientOptions: Sendable {
  /// ws, wss, http or https. nil: `$OPENAI_BASE_URL`, else `wss://api.openai.com/v1`.
  public var baseURL: String?
  /// Sent as a bearer token. nil: `$OPENAI_API_KEY`; empty: no `Authorization` header.
  public var apiKey: String?
  /// Asked for a key before each connection, in the place of `apiKey`: for keys that do not last.
  public var apiKeySource: APIKeySource?
  /// `OpenAI-Organization`.
  public var organization: String?
  /// `OpenAI-Project`.
  public var project: String?
  public var headers: [Header] = []
  /// PEM certificates trusted besides the system's.
  public var caFile: String?
  /// The way to the server, as curl's users write it: `[scheme://][user:password@]host[:port]` with the scheme
  /// http (which it is without one), https, socks5 (names are looked up here) or socks5h (by the proxy). nil: what
  /// the environment says, as for curl (docs/proxies.md); empty: no proxy.
  public var proxy: String?
  /// Hosts to reach without a proxy: names (with all below them), addresses, networks, each perhaps with a port;
  /// `*` for all. nil: `$no_proxy`; empty: none.
  public var noProxy: String?
  /// The client's own certificate (PEM, its chain after it), for servers that ask for one (mTLS).
  public var clientCertificateFile: String?
  /// Its key (PEM, not encrypted). nil: in the certificate's file.
  public var clientKeyFile: String?
  /// `sha256/BASE64` of a SubjectPublicKeyInfo (RFC 7469 §2.4). If there are any, the verified chain of the
  /// server must have one of these keys: give the server's own, or its authority's, and one in reserve.
  public var certificatePins: [String] = []
  /// DNS, TCP, TLS and upgrade together. nil: no limit.
  public var connectTimeout: Duration? = .seconds(15)
  /// Until the host name's first address is known. nil: as long as `connectTimeout` lets it.
  public var dnsTimeout: Duration?
  /// Until one address has accepted the TCP connection. nil: as above.
  public var tcpTimeout: Duration?
  /// The TLS handshake. nil: as above.
  public var tlsTimeout: Duration?
  /// From the upgrade request to its answer. nil: as above.
  public var upgradeTimeout: Duration?
  /// From the request sent to its first event. nil: no limit.
  public var firstEventTimeout: Duration? = .seconds(120)
  /// Between two events of a turn. nil: no limit.
  public var eventGapTimeout: Duration? = .seconds(300)
  /// A whole turn, connecting included. nil: no limit.
  public var turnTimeout: Duration?
  /// Silence on a connection before it is pinged; any byte that comes in is life. Shorter than what proxies and
  /// NATs on the way close idle connections after. nil: no pings, and a vanished peer goes unnoticed.
  public var pingInterval: Duration? = .seconds(20)
  /// So many pings in a row may stay unanswered; one interval later the connection is dead. 1 to 1,000.
  public var missedPongsMax = 3
  /// Bytes wait to be sent, and the peer takes none for so long: the connection has stalled. nil: no limit.
  public var writeStallTimeout: Duration? = .seconds(60)
  /// A connection that no turn has used for so long is closed; the next turn connects anew. nil: kept.
  public var idleTimeout: Duration?
  /// Bytes of one received message; at most 1 GiB.
  public var messageBytesMax = 64 << 20
  /// Bytes of one sent message before compression, at most 1 GiB; a larger request fails at once with
  /// `messageTooLarge`. nil: 16 MiB for OpenAI's hosts, which refuse more, else 64 MiB.
  public var sentMessageBytesMax: Int?
  /// Saves most of a request that repeats instructions and tools; costs up to 100 KiB per idle connection.
  public var compression = Compression.automatic
  /// Shorter messages are sent uncompressed.
  public var compressionThreshold = 1024
  /// A turn that would send the whole history again, though the agent could have avoided it, fails with `fullResend`:
  /// for tests of agents. nil: `$RESPONSESWS_STRICT` (1: on).
  public var isStrict: Bool?
  /// A `.tiktoken` file in the format of o200k_base, to count the tokens of text with; read once. nil: estimates go by
  /// bytes (docs/sessions.md).
  public var vocabularyFile: String?
  /// What carries turns. nil: `$RESPONSESWS_TRANSPORT` (websocket, http, auto), else WebSocket.
  public var transport: TransportChoice?
  /// Whether a turn that may have run is sent again when its connection is lost.
  public var replayPolicy = ReplayPolicy.safe
  /// Times that one turn may be sent again, for whatever reasons; 0 to 100.
  public var maxRetries = 4
  /// A repeated or postponed attempt waits from zero to this, each further one up to twice as long, at most 16 s.
  public var retryBackoff = Duration.milliseconds(500)
  /// The server closes a connection of this age; a twelfth of it before, sessions move to a new one between two turns.
  /// nil: 60 minutes, for xAI 25 (and 1 before). At least a second.
  public var connectionAgeLimit: Duration?
  /// When a session moves to a new connection for that reason, its whole history goes there at once (`generate:false`),
  /// so that its next turn is a delta: for the price of the history, once for each move. Only for sessions that were active
  /// in the last five minutes, whose calls are all answered, and whose responses are not stored.
  public var primesRotation = false
  /// With `automatic` transport: where WebSocket could not be had, it is tried again so often, in the background. At least
  /// a millisecond.
  public var webSocketRetryInterval = Duration.seconds(60)
  /// Receives log lines without newline and without credentials, on any thread of the library.
  public var log: (@Sendable (LogLevel, String) -> Void)?
  /// Lines up to this level are logged.
  public var logLevel = LogLevel.warning

  static let messageBytesLimit = 1 << 30
  static let missedPongsLimit = 1000
  static let retriesLimit = 100
  static let defaultBaseURL = "wss://api.openai.com/v1"

  public init(baseURL: String? = nil, apiKey: String? = nil) {
    self.baseURL = baseURL
    self.apiKey = apiKey
  }

  var effectiveBaseURL: String {
    baseURL ?? Self.environment("OPENAI_BASE_URL") ?? Self.defaultBaseURL
  }

  /// Empty where it is asked for.
  var effectiveAPIKey: String {
    if apiKeySource != nil { return "" }
    return apiKey ?? Self.environment("OPENAI_API_KEY") ?? ""
  }

  func effectiveSentMessageBytesMax(host: String) -> Int {
    if let sentMessageBytesMax { return sentMessageBytesMax }
    let name = host.lowercased()
    let isOpenAI = ["openai.com", "chatgpt.com"].contains { name == $0 || name.hasSuffix("." + $0) }
    return isOpenAI ? 16 << 20 : 64 << 20
  }

  /// What `proxy` and `noProxy` come to now.
  var proxyRules: ProxyRules {
    var variables: [String: String] = [:]
    for name in ProxyRules.variables { variables[name] = Self.environment(name) }
    return ProxyRules(environment: variables, proxy: proxy, noProxy: noProxy)
  }

  var isEffectivelyStrict: Bool {
    isStrict ?? (Self.environment("RESPONSESWS_STRICT") == "1")
  }

  func effectiveTransport() throws(ResponsesError) -> TransportChoice {
    if let transport { return transport }
    switch Self.environment("RESPONSESWS_TRANSPORT") {
    case nil, "websocket": return .webSocket
    case "http": return .http
    case "auto": return .automatic
    case .some:
      throw ResponsesError(
        .invalidArgument, "The environment's RESPONSESWS_TRANSPORT is none of websocket, http, auto.")
    }
  }

  private static func environment(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
  }

  /// The headers of the upgrade request besides those of the handshake.
  var upgradeHeaders: [Header] {
    var all = [Header.userAgent]
    let key = effectiveAPIKey
    if !key.isEmpty { all.append(Header("Authorization", "Bearer \(key)")) }
    if let organization { all.append(Header("OpenAI-Organization", organization)) }
    if let project { all.append(Header("OpenAI-Project", project)) }
    return all.overridden(by: headers)
  }
}

extension Header {
  static var userAgent: Header { Header("User-Agent", "libresponsesws/\(Version.string)") }
}

extension [Header] {
  /// The caller's own header wins over ours of the same name.
  func overridden(by callers: [Header]) -> [Header] {
    filter { ours in !callers.contains { $0.name.lowercased() == ours.name.lowercased() } } + callers
  }
}

extension Duration {
  /// Saturates.
  package var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    guard !overflow else { return seconds < 0 ? .min : .max }
    let (sum, carry) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
    return carry ? .max : sum
  }
}
