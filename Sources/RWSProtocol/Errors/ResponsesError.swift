/// How far a request had come when it failed: may it have run, may it be sent again?
public enum Execution: Int32, Sendable, Comparable {
  /// Nothing, or no whole message, left this machine: repeat freely.
  case notSent = 0
  /// The server refused it before it ran: repeat freely.
  case rejected = 1
  /// Sent, no answer seen: it may have run.
  case unknown = 2
  /// The server began to work on it, no output seen.
  case started = 3
  /// Output was received; repeating it runs it twice.
  case outputSeen = 4

  public static func < (left: Execution, right: Execution) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// One failure: what happened, whether the request may have run, what to do next. Never holds a
/// credential.
public struct ResponsesError: Error, Sendable, Equatable, CustomStringConvertible {
  public var status: Status
  /// A sentence: what happened and what to do.
  public var message: String
  public var execution: Execution = .notSent
  /// Of a refused upgrade, a proxy's refusal or an API error; 0: none.
  public var httpStatus: Int32 = 0
  /// Of the peer's close frame (RFC 6455 §7.4); 0: none.
  public var closeCode: Int32 = 0
  /// What the server asked for, in milliseconds; nil: nothing.
  public var retryAfterMilliseconds: Int64?
  /// The API's `error.code`, `error.type` and `error.param`; empty if absent.
  public var code = ""
  public var type = ""
  public var param = ""
  /// `x-request-id`; empty if absent.
  public var requestID = ""
  /// The error as received: JSON of the event, or the HTTP body; at most 64 KiB of it.
  public var body: [UInt8] = []

  package static let bodyBytesMax = 64 << 10

  public init(_ status: Status, _ message: String) {
    self.status = status
    self.message = message
  }

  /// Whether the same request may succeed later; `execution` says at what risk.
  public var isRetryable: Bool {
    switch status {
    case .dns, .connectRefused, .connect, .connectTimeout, .connectionLost, .firstEventTimeout,
      .eventGapTimeout, .turnTimeout, .peerClosed, .previousResponseNotFound, .overloaded,
      .connectionLimit, .resources, .timeout, .busy:
      // 1008 is a policy, 1009 a size: the same message meets the same answer.
      return closeCode != 1008 && closeCode != 1009
    case .rateLimited:
      // More time changes nothing about these (protocol.md, Errors).
      return code != "insufficient_quota" && code != "usage_limit_reached"
    case .upgradeRefused, .responseFailed, .api:
      return httpStatus == 429 || httpStatus >= 500 && httpStatus != 501
    case .proxy:
      // Without a status: it broke, or its SOCKS5 answer said that the host did.
      return httpStatus == 0 || httpStatus == 429 || httpStatus >= 500 && httpStatus != 501
    case .ok, .done, .invalidArgument, .invalidHandle, .invalidJSON, .closed, .wouldDeadlock,
      .forked, .cancelled, .fullResend, .missingOutput, .notSupported, .apiKey, .tls, .tlsUntrusted, .tlsHostname, .tlsExpired,
      .tlsPin,
      .proxyUnauthorized, .unauthorized, .handshake, .protocolViolation, .invalidEvent, .contextLength,
      .messageTooLarge, .limit, .internalError:
      return false
    }
  }

  public var description: String {
    var text = "\(status.name): \(message)"
    if !requestID.isEmpty { text += " [request \(requestID)]" }
    return text
  }

  package func with(_ execution: Execution) -> ResponsesError {
    var copy = self
    copy.execution = execution
    return copy
  }
}
