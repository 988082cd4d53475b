import RWSProtocol

/// The network, and what happens to it.
extension World {
  func read(_ burst: [(text: String, turn: String?)], _ link: SimLink) {
    let connection = link.connection
    // What comes behind it in the same read is nobody's any more.
    var isGivenUp = false
    let failedSteer = burst.first.flatMap { pendingSteer(failedIn: $0.text) }
    for (text, ended) in burst {
      trace("  connection \(connection.id.value) -> \(text.prefix(200))")
      if let ended { noteEnd(of: ended, link) }
      isGivenUp = isGivenUp || text == Self.noEvent
      if !isEchoSeen, !isGivenUp { isEchoSeen = text.holds(#""stream_id":"lane-"#) }
      if text.utf8.count < 200 {
        if text.holds("websocket_connection_limit_reached") { link.limitTold = clock.now }
        if conditions.asksForKey, !isGivenUp, text.holds("invalid_api_key") { noteRefusedKey(connection) }
      }
      var text = text
      text.withUTF8 { machine.receive(connection, text: UnsafeRawBufferPointer($0), now: now) }
    }
    machine.finishedRead(connection, now: now)
    perform()
    if let failedSteer { judgeFailed(failedSteer) }
    if isGivenUp, !link.isEnded {
      Violation.report("connection \(connection.id.value) goes on after what is no event")
    }
  }

  func send(_ body: [UInt8], _ turn: TurnID?, _ connection: Connection) {
    guard let link = links[connection.id], link.isOpen else {
      return Violation.report("something is sent on a connection that is not there")
    }
    if let turn = turn.flatMap({ turns[$0] }) {
      turn.connection = connection.id
      turn.sentAt = clock.now
      if turn.transport != .automatic, link.isHTTP != (turn.transport == .http) {
        Violation.report("\(turn.tag) went over \(connection.transport), though it wants \(turn.transport)")
      }
      judgeSending(turn)
    }
    trace("  connection \(connection.id.value) <- \(String(decoding: body.prefix(400), as: UTF8.self))")
    if let told = link.limitTold, told < clock.now, turn != nil {
      Violation.report("a request is sent on a connection that has told its age limit")
    }
    // Sometimes the kernel takes the message only in part, and the connection may end before the rest.
    let kernel = hasFaults && random.oneIn(10) ? Int64(random.below(200)) : 0
    let priming = turn.flatMap { isPriming($0) ? $0 : nil }
    if let priming { judgePriming(body, priming, on: connection.id) }
    link.sendToServer(body, isPriming: priming != nil, kernel: kernel, flight: Int64(random.below(30))) { [self] in
      guard let turn else { return }
      machine.flushed(turn, now: now)
      perform()
    }
  }

  // MARK: Faults

  private static let noEvent = "no JSON"

  func disturb() {
    guard hasFaults else { return }
    switch random.below(14) {
    case 0: if let link = anyLink() { cut(link, "cut") }
    case 1: anyLink()?.server?.evict()
    case 2:
      if let link = anyLink(), !link.isHTTP { reachLimit(link) }
    case 3: anyLink()?.sendToClient(Self.noEvent)
    case 4, 5: if let agent = anyAgent() { openSession(forkOf: agent) }
    case 6: if liveAgents.count > 1, let agent = anyAgent() { close(agent) }
    case 7:
      if let link = anyLink() {
        // Found out by pings.
        link.isHalfOpen = true
        clock.after(1_000 + Int64(random.below(1_000))) { [self] in cut(link, "no pong") }
      }
    case 8 where random.oneIn(3):
      // A restart takes everybody with it.
      for link in links.values.sorted(by: { $0.connection.id.value < $1.connection.id.value })
      where link.isOpen { cut(link, "restart") }
    case 9 where random.oneIn(4):
      trace("the clock jumps")
      clock.skip(to: clock.now + Int64(random.below(4_000)))
      lastJump = clock.now
    case 11 where conditions.asksForKey && random.oneIn(2):
      trace("key \(keys.current) is revoked")
      keys.revoked = keys.current
    case 10 where conditions.transport == .automatic:
      blockade = blockade == nil ? Refusal.blocking(&random) : nil
      trace("WebSocket is \(blockade == nil ? "to be had" : "blocked")")
    default: break
    }
    clock.after(Int64(50 + random.below(400))) { [self] in disturb() }
  }

  private func anyLink() -> SimLink? {
    links.values.filter(\.isOpen).sorted { $0.connection.id.value < $1.connection.id.value }
      .randomElement(using: &random)
  }

  private func anyAgent() -> Agent? { liveAgents.randomElement(using: &random) }

  func cut(_ link: SimLink, _ why: String) {
    guard links[link.connection.id] === link else { return }
    links[link.connection.id] = nil
    link.end()
    trace("  connection \(link.connection.id.value) ends: \(why)")
    var error = ResponsesError(random.oneIn(2) ? .connectionLost : .peerClosed, why)
    if error.status == .peerClosed { error.closeCode = [1000, 1001, 1008, 1009, 1011, 1012][random.below(6)] }
    machine.closed(link.connection, error, now: now)
    perform()
  }
}
