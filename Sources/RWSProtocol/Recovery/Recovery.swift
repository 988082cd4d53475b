/// What becomes of a turn that met a failure: the one table.
///
///   | what failed                     | when                                       | then                                |
///   |---------------------------------|--------------------------------------------|-------------------------------------|
///   | connecting                      | the route worked before, or the server     | again after a wait                  |
///   |                                 | asks for patience (429, 5xx)               |                                     |
///   | connection, request not whole   |                                            | again, at once the first time       |
///   | connection, may have run        | the replay policy allows it                | again (`rws.replayed`), likewise    |
///   | refused: id not found           | it was a delta, nothing created            | again at once, in full, once        |
///   | refused: lane's name            | nobody knew whether there are lanes        | again at once, without, once        |
///   | refused: too many lane names    |                                            | again at once, elsewhere            |
///   | refused: connection too old     | nothing created                            | again at once, elsewhere            |
///   | refused: the key (HTTP 401)     | keys are asked for                         | again with another key, once        |
///   | refused: overload, rate limit   | no output                                  | again after a wait                  |
///   | anything else                   |                                            | the turn ends with the error        |
///
/// Waits follow `retry-after`, else exponential backoff with full jitter. No turn is sent again more often than
/// `RecoveryOptions.resendsMax`, none waits beyond its own time limit, and waits of all turns of a client share a budget.
struct Recovery {
  enum Failure {
    case connecting(ResponsesError)
    case connection(ResponsesError)
    case refused(ResponsesError)
  }

  enum Cause: String, CaseIterable {
    case redial = "connect_failed"
    case unsent = "not_sent"
    case replay = "connection_lost"
    case notFound = "previous_response_not_found"
    case laneName = "lane_refused"
    case laneLimit = "websocket_stream_limit_reached"
    case ageLimit = "websocket_connection_limit_reached"
    case transient = "server_busy"
    case key = "key_refused"
    /// For a WebSocket message: not the table's matter (`moveToHTTP`).
    case tooLarge = "too_large"
  }

  struct Resend {
    let cause: Cause
    let wait: Int64
  }

  var random: RandomSource
  /// Bounds the waits of all turns, so that a server in trouble does not get more of it.
  private var budget: TokenBucket

  init(seed: UInt64, limits: PoolLimits) {
    random = RandomSource(seed: seed)
    budget = TokenBucket(
      burst: limits.retryBurst, intervalNanoseconds: limits.retryIntervalNanoseconds,
      now: Instant(nanoseconds: 0))
  }

  /// nil: the turn ends with the error.
  mutating func resend(_ turn: ActiveTurn, after failure: Failure, _ now: Instant) -> Resend? {
    let route = turn.session.route
    guard
      // Steering input went into the context by itself; a request of ours would not have it.
      !turn.steersAhead.contains(where: { $0.state == .committed }),
      let cause = cause(turn, failure),
      // Another key is asked for however often a turn may be sent again: it is a part of connecting.
      turn.stats.resendCount < turn.request.recovery.resendsMax || cause == .key
        || !route.holds(.resendsAreBounded)
    else { return nil }
    let wait: Int64
    switch (cause, failure) {
    case (.notFound, _), (.laneName, _), (.laneLimit, _), (.ageLimit, _), (.key, _): wait = 0
    case (.unsent, _) where turn.stats.resendCount == 0,
      (.replay, _) where turn.stats.resendCount == 0:
      wait = 0
    case (_, .connecting(let error)), (_, .connection(let error)), (_, .refused(let error)):
      let patience = self.wait(
        turn.request.recovery, attempt: turn.stats.resendCount, error, on: route,
        elapsed: turn.elapsed(now), of: turn.request.limits.total, now)
      guard let patience else { return nil }
      wait = patience
    }
    return Resend(cause: cause, wait: wait)
  }

  /// Of a request that changes nothing: it may be made again whatever became of it. In nanoseconds; nil: the error is
  /// told.
  mutating func retry(
    _ options: RecoveryOptions, attempt: Int, after error: ResponsesError, on route: Route, elapsed: Int64,
    of total: Int64?, _ now: Instant
  ) -> Int64? {
    guard attempt < options.resendsMax else { return nil }
    let isLost = error.mayPassElsewhere(attempt: attempt)
    guard isLost || error.isTransient || error.execution == .notSent && isWorthAnotherDial(error, route)
    else { return nil }
    if isLost, attempt == 0 { return 0 }
    return wait(options, attempt: attempt, error, on: route, elapsed: elapsed, of: total, now)
  }

  private func cause(_ turn: ActiveTurn, _ failure: Failure) -> Cause? {
    switch failure {
    case .connecting(let error):
      return isWorthAnotherDial(error, turn.session.route) ? .redial : nil
    case .connection(let error):
      guard error.mayPassElsewhere(attempt: turn.stats.resendCount) else { return nil }
      let route = turn.session.route
      if case .sending = turn.phase { return route.holds(.notSentIsResent) ? .unsent : nil }
      let isAllowed = turn.request.recovery.replay.allows(turn.execution, turn.request.settings)
      return isAllowed || !route.holds(.replayFollowsPolicy) ? .replay : nil
    case .refused(let error):
      return cause(turn, refusedWith: error)
    }
  }

  /// A first connection that fails is more likely a wrong setting than an outage, and the caller waits for it. Where one
  /// was open before, a handshake that breaks off is a server that restarts.
  private func isWorthAnotherDial(_ error: ResponsesError, _ route: Route) -> Bool {
    let isBrokenOff = error.status == .handshake || error.status == .tls
    if route.hasConnected { return error.isRetryable || isBrokenOff }
    return error.isRetryable && (error.status == .overloaded || error.status == .rateLimited)
  }

  private func cause(_ turn: ActiveTurn, refusedWith error: ResponsesError) -> Cause? {
    let route = turn.session.route
    // The server may have appended the input to the conversation (protocol.md, Full replay 8).
    guard !turn.hasOutput, !turn.request.settings.hasConversation else { return nil }
    if !turn.isCreated {
      if error.isAboutKey, route.asksForKey, turn.seat?.connection.transport == .http,
        !turn.hasUsed(.key) || !route.holds(.anotherKeyOnce)
      {
        return .key
      }
      // Then its chain has no anchor any more: it cannot come to this again. Nor can a turn have a lane's name when it is
      // known that there are none.
      if error.isAboutAnchor, turn.stats.isDelta {
        return route.holds(.notFoundIsResent) ? .notFound : nil
      }
      if error.status == .connectionLimit { return route.holds(.ageLimitIsResent) ? .ageLimit : nil }
      if error.code == "websocket_stream_limit_reached" { return .laneLimit }
      if error.isAboutLanes, (turn.seat?.lane ?? 0) > 0, route.lanes != .supported {
        return route.holds(.refusedNameIsResent) ? .laneName : nil
      }
    }
    // Nothing was generated, or nothing that anybody saw (protocol.md, Errors).
    return error.isTransient && route.holds(.transientIsRetried) ? .transient : nil
  }

  /// nil: it would be too long, or there were too many.
  private mutating func wait(
    _ options: RecoveryOptions, attempt: Int, _ error: ResponsesError, on route: Route, elapsed: Int64,
    of total: Int64?, _ now: Instant
  ) -> Int64? {
    var wait = options.backoff(attempt: attempt, &random)
    if let asked = error.retryAfterMilliseconds, route.holds(.retryAfterIsKept) {
      guard 0...(RecoveryOptions.retryAfterMax / 1_000_000) ~= asked else { return nil }
      // A little later than asked, lest all come at the same instant.
      wait = asked * 1_000_000 + random.next(upTo: max(0, options.backoffBase))
    }
    if let total, elapsed >= total - min(wait, total) { return nil }
    return budget.take(now) ? wait : nil
  }
}

extension ResponsesError {
  /// Whether another connection may fare better with the same request.
  fileprivate func mayPassElsewhere(attempt: Int) -> Bool {
    // By this side only those are closed that were idle, perhaps at the moment when a request came.
    guard status == .connectionLost || status == .peerClosed || status == .closed else { return false }
    // A policy may have been about the connection; once is enough to know (protocol.md, Close codes).
    return closeCode != 1008 || attempt == 0
  }

  /// The API may answer the same request later.
  fileprivate var isTransient: Bool {
    (status == .overloaded || status == .rateLimited) && isRetryable
  }
}
