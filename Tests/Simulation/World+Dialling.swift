import RWSProtocol

/// Making connections, what goes wrong with it, and how they get too old.
extension World {
  func connect(_ connection: Connection) {
    let link = SimLink(connection, clock)
    links[connection.id] = link
    judgeDial(connection)
    noteDialKey(connection)
    // Where a turn that waits for it is noticed it takes longer, so that more turns begin meanwhile.
    let isSlow = conditions.isLong && !hasFaults
    clock.after(Int64(isSlow ? 300 + random.below(500) : random.below(100))) { [self] in
      guard links[connection.id] === link else { return }
      if let refusal = refusal(of: connection) { return refuse(connection, refusal) }
      link.open(server, isUnauthorized: isKeyRefused(connection)) { [self] in read($0, link) }
      hasConnected = true
      noteAcceptedKey(connection)
      if !link.isHTTP {
        blockedSince = nil
        watchAge(link)
      }
      trace("  connection \(connection.id.value) is open over \(connection.transport)")
      machine.opened(connection, now: now)
      perform()
    }
  }

  private func refusal(of connection: Connection) -> Refusal? {
    if connection.transport == .webSocket, let blockade { return blockade }
    if connection.transport == .webSocket, isKeyRefused(connection) { return Refusal.unauthorized }
    return hasFaults && random.oneIn(8) ? Refusal.any(connection.transport, &random) : nil
  }

  private func refuse(_ connection: Connection, _ refusal: Refusal) {
    links[connection.id] = nil
    trace("  connection \(connection.id.value) not made: \(refusal.error.status) \(refusal.error.httpStatus)")
    if refusal.error.httpStatus == 401 { noteRefusedKey(connection) }
    if refusal.error.retryAfterMilliseconds != nil {
      // Of whoever waits for it.
      for turn in turns.values where turn.ends == 0 { turn.mayBeToldToWait = true }
    }
    if refusal.isUpgradeBlocked && blockedSince == nil || connection.isProbe { blockedSince = clock.now }
    machine.closed(
      connection, refusal.error, isUpgradeBlocked: refusal.isUpgradeBlocked, now: now)
    perform()
  }

  // MARK: Age

  private func watchAge(_ link: SimLink) {
    guard let age = conditions.ageLimit else { return }
    clock.after(age) { [self] in
      guard links[link.connection.id] === link else { return }
      if hasFaults, random.oneIn(3) { return cut(link, "60 minutes, without a word") }
      reachLimit(link)
    }
  }

  func reachLimit(_ link: SimLink) {
    link.server?.reachLimit()
    guard hasFaults, random.oneIn(2) else { return }
    clock.after(Int64(random.below(500))) { [self] in cut(link, "60 minutes") }
  }

  /// The client leaves it, or will at any moment.
  private func isOld(_ link: SimLink) -> Bool {
    guard let age = conditions.ageLimit, let opened = link.openedAt, !link.isHTTP else { return false }
    return clock.now - opened >= age - age / 12 * 3 / 2 - 12
  }

  // MARK: Judging

  /// Never more at once, nor faster, than the limits say.
  private func judgeDial(_ connection: Connection) {
    let old = links.values.count(where: isOld)
    let probes = links.values.count(where: \.isProbe)
    if links.count - old - probes > conditions.connectionsMax {
      Violation.report("\(links.count) connections, of which \(old) are old")
    }
    guard connection.transport == .webSocket else {
      // Nothing has blocked it for longer than the client takes to find that out.
      if conditions.transport == .automatic, !hasFaults, !conditions.mixesTransports,
        clock.now > max(Self.faultsEnd, lastJump) + Self.probeInterval + 1_000
      {
        Violation.report("connection \(connection.id.value) is over HTTP, though there is WebSocket again")
      }
      return
    }
    // What was to be dialled before may wait for its key.
    let isDecidedNow = !conditions.mixesTransports && !conditions.asksForKey
    if let blockedSince, conditions.transport == .automatic, isDecidedNow, old == 0 {
      if !connection.isProbe {
        Violation.report("connection \(connection.id.value) is dialled, though no WebSocket is to be had")
      } else if clock.now - blockedSince < Self.probeInterval, keys.dialled[connection.id] == nil {
        Violation.report("WebSocket is tried again after \(clock.now - blockedSince)")
      }
    }
    // Keys that come late make dials come together.
    guard !connection.isProbe, !conditions.asksForKey else { return }
    dials.append(clock.now)
    for (count, time) in dials.suffix(100).reversed().enumerated() {
      let allowed = conditions.connectBurst + Int((clock.now - time) / conditions.connectInterval) + 1
      if count + 1 > allowed { Violation.report("\(count + 1) dials in \(clock.now - time)") }
    }
  }

  /// The server has said the last word on the turn's request.
  func noteEnd(of turn: String, _ link: SimLink) {
    endTold[turn] = clock.now
    // Unless it was sent again elsewhere before.
    // Nor if its connection had said before that it is too old.
    if server.asksPatience(of: turn), link.limitTold == nil, turnsByTag[turn]?.connection == link.connection.id {
      patienceTold[turn] = clock.now
    }
    guard link.isHTTP else { return }
    // The answer ends with it; nobody should wait for that.
    clock.after(1) { [self] in
      if links[link.connection.id] === link {
        Violation.report("connection \(link.connection.id.value) is kept, though its answer is over")
      }
    }
  }

  func judgeSending(_ turn: SimTurn) {
    server.endPatience(of: turn.tag)
    // Its connection may have been given up before that word was read.
    let isMoved = turn.resends.last == "websocket_connection_limit_reached"
    if let told = patienceTold.removeValue(forKey: turn.tag), clock.now - told < ModelServer.patience, !isMoved {
      Violation.report("\(turn.tag) is sent again after \(clock.now - told), before the server's retry-after")
    }
  }

  /// No turn pays for a reconnect: connections that get too old are left before anybody notices.
  func judgePace(_ turn: SimTurn) {
    guard conditions.isLong, conditions.transport == .webSocket, conditions.lanes == .supported,
      conditions.areLanesKnown, turn.start > Self.faultsEnd,
      turn.agent.remaining < lastTurns - 1, !turn.isSuccessor,
      !turn.agent.manner.steers, !turn.agent.manner.isHasty
    else { return }
    if !turn.resends.isEmpty { Violation.report("\(turn.tag) was sent again without a fault: \(turn.resends)") }
    // It may wait for its context to be prepared.
    if let sent = turn.sentAt, sent > turn.start, !conditions.primes {
      Violation.report("\(turn.tag) waited \(sent - turn.start) to be sent")
    }
  }

  /// For the longest wait before it is sent again.
  func hasTime(_ turn: SimTurn) -> Bool {
    turn.total == .max || clock.now - turn.start < turn.total - 1_100
  }

  /// What passes, and what another connection cures, is not the caller's matter while there are tries left.
  func judgeGivenUp(_ turn: SimTurn, _ error: ResponsesError) {
    if turn.transport == .automatic,
      error.status == .handshake || Refusal.blockingStatuses.contains(error.httpStatus)
    {
      Violation.report("\(turn.tag) ended with \(error.status) \(error.httpStatus), though there is HTTP")
    }
    guard turn.resends.count < turn.resendsMax, !turn.isSuccessor, !turn.hasCommittedSteers, resends < 200,
      hasTime(turn), !server.asksPatience(of: turn.tag), !turn.mayBeToldToWait, error.retryAfterMilliseconds == nil
    else { return }
    switch error.status {
    case .overloaded, .rateLimited:
      guard error.execution <= .rejected, error.code != "insufficient_quota" else { return }
      Violation.report("\(turn.tag) was given up after \(turn.resends.count) tries: \(error.status)")
    case .dns, .connectRefused, .connectTimeout, .handshake, .tls:
      guard hasConnected else { return }
      Violation.report("\(turn.tag) was given up because of one connection: \(error.status)")
    default: break
    }
  }
}
