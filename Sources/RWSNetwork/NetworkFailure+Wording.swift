import Glibc
import RWSWebSocket

/// The sentences for the user, in one place: what happened, with host and port, and what to do.
extension NetworkFailure {
  static func unresolved(_ host: String, _ text: String) -> NetworkFailure {
    NetworkFailure(
      .resolve,
      "The host name \(host) could not be resolved: \(text). Check the name, the network and DNS.")
  }

  static func unconnected(
    _ peer: String, _ address: SocketAddress?, _ code: Int32
  ) -> NetworkFailure {
    let at = address.map { " at \($0)" } ?? ""
    switch code {
    case ECONNREFUSED:
      return NetworkFailure(
        .refused,
        "The connection to \(peer)\(at) was refused. Check that the server runs, and the port.")
    case EMFILE, ENFILE, ENOMEM, ENOBUFS:
      return .resources("A socket for \(peer) could not be made", code)
    default:
      return NetworkFailure(
        .unreachable,
        "No connection to \(peer)\(at) could be made: \(systemMessage(code)). Check network and firewall."
      )
    }
  }

  /// The time for connecting as a whole ended in this stage.
  private static func timedOut(_ peer: String, _ stage: Stage, _ nanoseconds: Int64) -> NetworkFailure {
    NetworkFailure(
      .timedOut(stage),
      "No connection to \(peer) within \(nanoseconds / 1_000_000) ms: the time ended while"
        + " \(stage.progress); \(stage.advice).")
  }

  /// The stage's own time ended.
  private static func timedOut(
    _ peer: String, _ stage: Stage, ofStage nanoseconds: Int64
  ) -> NetworkFailure {
    NetworkFailure(
      .timedOut(stage),
      "No connection to \(peer): after \(nanoseconds / 1_000_000) ms, the limit of this stage,"
        + " \(stage.progress) still; \(stage.advice).")
  }

  /// The time for a stage ended: that of all stages, or its own.
  static func timedOut(
    _ peer: String, _ stage: Stage, _ timeouts: ConnectTimeouts, deadline: Int64
  ) -> NetworkFailure {
    MonotonicClock.now() >= deadline
      ? timedOut(peer, stage, timeouts.overall)
      : timedOut(peer, stage, ofStage: timeouts.limit(of: stage))
  }

  static func tls(_ peer: String, _ failure: TLSFailure) -> NetworkFailure {
    NetworkFailure(
      failure.failureKind, "TLS with \(peer) failed: \(failure.text). \(failure.advice)")
  }

  /// `proxy`: as `ProxyHop.description` says it.
  static func noTunnel(
    _ proxy: String, to peer: String, _ failure: ProxyTunnelFailure
  ) -> NetworkFailure {
    NetworkFailure(
      failure.isUnauthorized ? .proxyUnauthorized(failure.answer) : .proxy(failure.answer),
      "No connection to \(peer) through \(proxy): \(failure).")
  }

  static func brokenProxy(
    _ proxy: String, to peer: String, _ cause: String
  ) -> NetworkFailure {
    NetworkFailure(
      .proxy(nil), "No connection to \(peer) through \(proxy): \(cause). Check the proxy.")
  }

  static func refused(_ peer: String, _ refusal: HTTPRefusal) -> NetworkFailure {
    let status = refusal.head.status
    // The body stays out of the sentence: it may repeat a credential.
    let advice =
      switch status {
      case 401, 403: "Check the API key and what it may do."
      case 404, 405, 426, 501: "Check the URL: this endpoint may speak HTTP only."
      case 429: "Wait before trying again."
      case 300..<400: "Redirects are not followed; use the address it names."
      case 500...: "The server has a problem; try again later."
      default: "Check the URL and the headers."
      }
    return NetworkFailure(
      .upgradeRefused(
        HTTPAnswer(status: status, fields: refusal.head.fields, body: refusal.body)),
      "\(peer) answered the WebSocket upgrade with HTTP status \(status) instead of 101. \(advice)")
  }

  static func lost(_ peer: String, _ failure: StreamFailure?) -> NetworkFailure {
    let cause = failure?.text ?? "the peer ended it without a close frame"
    return NetworkFailure(
      .lost, "The connection to \(peer) was lost: \(cause).",
      closeCode: CloseCode.abnormal.rawValue)
  }

  /// Over HTTP, before the answer was whole.
  static func cutOff(_ peer: String, _ failure: StreamFailure?) -> NetworkFailure {
    let cause = failure.map { ": \($0.text)" } ?? ""
    return NetworkFailure(
      .lost, "The connection to \(peer) ended before its HTTP answer was whole\(cause).")
  }

  static func unreadable(_ peer: String, _ error: HTTPAnswerError) -> NetworkFailure {
    NetworkFailure(
      .protocolViolation,
      "The HTTP answer of \(peer) cannot be read: \(error). Check the URL and any proxy between.")
  }

  static func bodyTooLarge(_ peer: String, bytesMax: Int) -> NetworkFailure {
    NetworkFailure(
      .messageTooLarge,
      "The body of the HTTP answer of \(peer) is larger than the limit of \(bytesMax) bytes.")
  }

  static func dead(_ peer: String, silence: Int64, unansweredPings: Int) -> NetworkFailure {
    let pings = unansweredPings == 1 ? "1 ping was" : "\(unansweredPings) pings were"
    return NetworkFailure(
      .dead,
      "The connection to \(peer) is dead: nothing came for \(seconds(silence)), and \(pings) not "
        + "answered. Check the network.",
      closeCode: CloseCode.abnormal.rawValue)
  }

  static func stalled(_ peer: String, _ nanoseconds: Int64, queuedBytes: Int) -> NetworkFailure {
    NetworkFailure(
      .stalled,
      "The connection to \(peer) stalled: of \(queuedBytes) bytes that wait to be sent it took none for "
        + "\(seconds(nanoseconds)). Check the network and the server.",
      closeCode: CloseCode.abnormal.rawValue)
  }

  static func suspended(_ peer: String, _ nanoseconds: Int64) -> NetworkFailure {
    NetworkFailure(
      .suspended,
      "The connection to \(peer) was dropped: this machine or process stood still for "
        + "\(seconds(nanoseconds)) (sleep, pause or stop), and the other side may have given it up.",
      closeCode: CloseCode.abnormal.rawValue)
  }

  /// `80 s`, `0.3 s`. Rounded: two clocks read one after the other make 30 s a hair less.
  private static func seconds(_ nanoseconds: Int64) -> String {
    let tenths = (nanoseconds &+ 50_000_000) / 100_000_000
    let isWhole = tenths >= 100 || tenths % 10 == 0
    return isWhole ? "\(tenths / 10) s" : "\(tenths / 10).\(tenths % 10) s"
  }

  static func tooLarge(_ peer: String) -> NetworkFailure {
    NetworkFailure(
      .messageTooLarge,
      "\(peer) sent a message larger than the limit. Raise the limit for messages.",
      closeCode: CloseCode.messageTooBig.rawValue)
  }

  package static var closedLocally: NetworkFailure {
    NetworkFailure(.closedLocally, "The connection was closed by this side.")
  }

  static func closingTimedOut(_ peer: String) -> NetworkFailure {
    NetworkFailure(
      .closingTimedOut,
      "The connection was closed by this side; \(peer) did not answer the close frame in time.")
  }

  static func ended(_ ending: WebSocketEndpoint.Ending, _ peer: String) -> NetworkFailure {
    switch ending {
    case .handshake(let code, let reason, let startedByPeer):
      guard startedByPeer else {
        return NetworkFailure(
          .closedLocally, closedLocally.message, closeCode: code.rawValue, reason: reason)
      }
      let because = reason.isEmpty ? "" : ", saying “\(reason)”"
      return NetworkFailure(
        .peerClosed, "\(peer) closed the connection with code \(code)\(because).",
        closeCode: code.rawValue, reason: reason)
    case .failed(.messageTooBig):
      return tooLarge(peer)
    case .failed(let failure):
      return NetworkFailure(
        .protocolViolation,
        "\(peer) broke the WebSocket protocol: \(failure). Report it to its operator.",
        closeCode: failure.closeCode.rawValue)
    case .lost(let afterOurClose):
      return afterOurClose ? closedLocally : lost(peer, nil)
    }
  }
}

extension NetworkFailure.Stage {
  fileprivate var progress: String {
    switch self {
    case .resolving: "the host name was being resolved"
    case .connecting: "TCP was connecting"
    case .tunnelling: "the proxy's connection to the target was awaited"
    case .securing: "the TLS handshake was under way"
    case .upgrading: "the server's answer to the WebSocket upgrade was awaited"
    }
  }

  fileprivate var advice: String {
    switch self {
    case .resolving: "check DNS"
    case .connecting: "check network, firewall and port"
    case .tunnelling: "check the proxy, and whether it may connect there"
    case .securing: "check that the port speaks TLS"
    case .upgrading: "check the server"
    }
  }
}

extension StreamFailure {
  fileprivate var text: String {
    switch self {
    case .system(let code): systemMessage(code)
    case .tls(let failure): failure.text
    }
  }
}
