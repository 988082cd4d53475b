import RWSNetwork
import RWSProtocol

/// One connection of the machine and what carries it: reports what happens. Confined to the client's loop.
protocol Link: AnyObject {
  var connection: Connection { get }
  /// - Returns: Why nothing of it was sent; nil: it is on its way, or lost with the connection.
  func send(_ body: [UInt8], of turn: TurnID) -> ResponsesError?
  func send(steer event: [UInt8])
  func pause(_ isPaused: Bool)
  /// A connection without a response in flight may be given up when it has been idle for long.
  func noteUse()
  /// The machine has let go of the connection.
  func close()
}

extension ClientCore {
  func makeLink(_ connection: Connection) -> any Link {
    switch connection.transport {
    case .webSocket: WebSocketLink(connection, self)
    case .http: HTTPLink(connection, self)
    }
  }

  func linkOpened(_ link: any Link, _ info: StreamInfo, since start: Int64, isReused: Bool = false) {
    let milliseconds = (loop.refreshNow() - start) / 1_000_000
    log(.info, "\(isReused ? "still connected" : "connected") to \(info.description) in \(milliseconds) ms")
    drive { $0.opened(link.connection, now: $1) }
  }

  func linkEnded(_ link: any Link, _ failure: NetworkFailure) {
    links[link.connection.id] = nil
    let error = presentable(failure)
    log(.info, "connection ended: \(error.message)")
    drive {
      $0.closed(link.connection, error, isUpgradeBlocked: failure.isUpgradeBlocked, now: $1)
    }
  }

  /// For a new connection on that route.
  func connectOptions(on route: RouteID?) -> ConnectOptions {
    var options = connect
    guard let route else { return options }
    options.identity = route.value
    if let fields = keyFields[route] ?? identities[route]?.fields { options.fields = fields }
    return options
  }
}

extension NetworkFailure {
  /// Of connecting: the server could be reached, but there was no WebSocket to be had.
  fileprivate var isUpgradeBlocked: Bool {
    switch kind {
    // 403 is what firewalls and gateways say to any upgrade; where it is about the key, HTTP says so too.
    case .upgradeRefused(let answer): [403, 404, 405, 426, 501].contains(answer.status)
    case .handshake, .timedOut(.upgrading), .lost: true
    case .resolve, .refused, .unreachable, .timedOut, .tlsUntrusted, .tlsHostname, .tlsExpired, .tlsPin,
      .tls, .proxy, .proxyUnauthorized, .protocolViolation, .peerClosed, .dead, .stalled, .suspended,
      .messageTooLarge, .resources, .closedLocally, .closingTimedOut:
      false
    }
  }
}
