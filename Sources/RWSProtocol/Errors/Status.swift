/// What a call came to: the same numbers, names and messages as `RWS_STATUS_MAP` in
/// `Include/responsesws.h` (the ABI tests compare them). Bands by blame: 100s the caller, 200s the
/// network, 300s TLS, 400s the WebSocket peer, 500s the API, 600s limits, 900s this library.
public enum Status: Int32, Sendable, CaseIterable {
  case ok = 0
  case done = 1
  case timeout = 2
  case invalidArgument = -101
  case invalidHandle = -102
  case invalidJSON = -103
  case closed = -104
  case busy = -105
  case wouldDeadlock = -106
  case forked = -107
  case cancelled = -108
  case fullResend = -109
  case missingOutput = -110
  case notSupported = -111
  case apiKey = -112
  case dns = -201
  case connectRefused = -202
  case connect = -203
  case connectTimeout = -204
  case connectionLost = -205
  case firstEventTimeout = -206
  case eventGapTimeout = -207
  case turnTimeout = -208
  case proxy = -209
  case proxyUnauthorized = -210
  case tls = -301
  case tlsUntrusted = -302
  case tlsHostname = -303
  case tlsExpired = -304
  case tlsPin = -305
  case upgradeRefused = -401
  case unauthorized = -402
  case handshake = -403
  case protocolViolation = -404
  case peerClosed = -405
  case invalidEvent = -406
  case api = -501
  case responseFailed = -502
  case previousResponseNotFound = -503
  case rateLimited = -504
  case contextLength = -505
  case overloaded = -506
  case connectionLimit = -507
  case messageTooLarge = -601
  case limit = -602
  case resources = -603
  case internalError = -901

  /// The constant's name in C.
  public var name: StaticString { entry.name }

  /// One line that says what the status means.
  public var message: StaticString { entry.message }

  private var entry: (name: StaticString, message: StaticString) {
    switch self {
    case .ok: ("RWS_OK", "success")
    case .done: ("RWS_DONE", "the turn has ended and all its events were read")
    case .timeout: ("RWS_TIMEOUT", "nothing happened within timeout_ms; ask again")
    case .invalidArgument:
      ("RWS_ERR_INVALID_ARGUMENT", "an argument is NULL, too large or out of range")
    case .invalidHandle:
      ("RWS_ERR_INVALID_HANDLE", "the handle was freed or is of another kind")
    case .invalidJSON:
      ("RWS_ERR_INVALID_JSON", "the JSON given is malformed or not of the documented kind")
    case .closed: ("RWS_ERR_CLOSED", "the client or session was closed")
    case .busy:
      ("RWS_ERR_BUSY", "another thread is reading this turn, or its events go to a callback")
    case .wouldDeadlock:
      ("RWS_ERR_WOULD_DEADLOCK", "a waiting call was made from a callback")
    case .forked: ("RWS_ERR_FORKED", "the handle belongs to the parent process")
    case .cancelled: ("RWS_ERR_CANCELLED", "the turn was cancelled by the caller")
    case .fullResend:
      ("RWS_ERR_FULL_RESEND", "strict mode: the whole history would have been sent again")
    case .missingOutput:
      ("RWS_ERR_MISSING_OUTPUT", "a tool call of the last response has no output in the input")
    case .notSupported: ("RWS_ERR_NOT_SUPPORTED", "this cannot be done over HTTP")
    case .apiKey:
      ("RWS_ERR_API_KEY", "the callback for the API key failed, or gave none in time")
    case .dns: ("RWS_ERR_DNS", "the host name could not be resolved")
    case .connectRefused: ("RWS_ERR_CONNECT_REFUSED", "the host refused the connection")
    case .connect: ("RWS_ERR_CONNECT", "no connection could be made")
    case .connectTimeout:
      ("RWS_ERR_CONNECT_TIMEOUT", "no connection within the connect timeout")
    case .connectionLost:
      ("RWS_ERR_CONNECTION_LOST", "the connection was cut before the turn ended")
    case .firstEventTimeout:
      ("RWS_ERR_FIRST_EVENT_TIMEOUT", "no event within the first-event timeout")
    case .eventGapTimeout:
      ("RWS_ERR_EVENT_GAP_TIMEOUT", "no further event within the event-gap timeout")
    case .turnTimeout: ("RWS_ERR_TURN_TIMEOUT", "the turn did not end within its timeout")
    case .proxy: ("RWS_ERR_PROXY", "the proxy could not reach the host, or broke")
    case .proxyUnauthorized:
      ("RWS_ERR_PROXY_UNAUTHORIZED", "the proxy refused the credentials, or its rules the host")
    case .tls: ("RWS_ERR_TLS", "TLS failed")
    case .tlsUntrusted: ("RWS_ERR_TLS_UNTRUSTED", "the server's certificate is not trusted")
    case .tlsHostname:
      ("RWS_ERR_TLS_HOSTNAME", "the server's certificate is for another host")
    case .tlsExpired: ("RWS_ERR_TLS_EXPIRED", "the server's certificate is not valid now")
    case .tlsPin: ("RWS_ERR_TLS_PIN", "none of the server's keys is among the pins")
    case .upgradeRefused:
      ("RWS_ERR_UPGRADE_REFUSED", "the server answered HTTP instead of WebSocket")
    case .unauthorized: ("RWS_ERR_UNAUTHORIZED", "the server refused the credentials")
    case .handshake: ("RWS_ERR_HANDSHAKE", "the server's WebSocket handshake is invalid")
    case .protocolViolation:
      ("RWS_ERR_PROTOCOL", "the server broke the WebSocket protocol (RFC 6455)")
    case .peerClosed:
      ("RWS_ERR_PEER_CLOSED", "the server closed the connection before the turn ended")
    case .invalidEvent:
      ("RWS_ERR_INVALID_EVENT", "the server sent something that is no event")
    case .api: ("RWS_ERR_API", "the API returned an error")
    case .responseFailed: ("RWS_ERR_RESPONSE_FAILED", "the response failed")
    case .previousResponseNotFound:
      ("RWS_ERR_PREVIOUS_RESPONSE_NOT_FOUND", "the server no longer has the previous response")
    case .rateLimited: ("RWS_ERR_RATE_LIMITED", "the API's rate limit was reached")
    case .contextLength: ("RWS_ERR_CONTEXT_LENGTH", "the context window is full")
    case .overloaded:
      ("RWS_ERR_OVERLOADED", "the API is overloaded or had an internal error")
    case .connectionLimit:
      ("RWS_ERR_CONNECTION_LIMIT", "the connection reached its age limit")
    case .messageTooLarge:
      ("RWS_ERR_MESSAGE_TOO_LARGE", "a message exceeds the size limit")
    case .limit: ("RWS_ERR_LIMIT", "a limit of the library was reached")
    case .resources:
      ("RWS_ERR_RESOURCES", "the system has no more descriptors, threads or memory")
    case .internalError: ("RWS_ERR_INTERNAL", "internal error; please report it")
    }
  }
}
