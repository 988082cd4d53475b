import RWSProtocol

/// The network, and what happens to it.
extension World {
  func connect(_ connection: Connection) {
    let link = SimLink(connection, clock)
    links[connection.id] = link
    judgeDial()
    let delay = Int64(random.below(100))
    if hasFaults, random.oneIn(8) {
      let error = refusal()
      clock.after(delay) { [self] in
        guard links.removeValue(forKey: connection.id) != nil else { return }
        trace("  connection \(connection.id.value) not made: \(error.status)")
        machine.closed(connection, error, now: now)
        perform()
      }
      return
    }
    clock.after(delay) { [self] in
      guard links[connection.id] === link else { return }
      link.open(server) { [self] in read($0, link) }
      machine.opened(connection, now: now)
      perform()
    }
  }

  private func refusal() -> ResponsesError {
    func upgrade(_ status: Int32) -> ResponsesError {
      var error = ResponsesError(status == 401 || status == 403 ? .unauthorized : .upgradeRefused, "no")
      error.httpStatus = status
      return error
    }
    switch random.below(6) {
    case 0: return upgrade([401, 403, 404, 426, 429, 500, 503][random.below(7)])
    case 1: return ResponsesError(.dns, "no such host")
    case 2: return ResponsesError(.connectTimeout, "nobody answers")
    case 3: return ResponsesError(.tls, "no")
    case 4: return ResponsesError(.handshake, "no")
    default: return ResponsesError(.connectRefused, "refused")
    }
  }

  private func read(_ burst: [(text: String, turn: String?)], _ link: SimLink) {
    let connection = link.connection
    for (text, ended) in burst {
      trace("  connection \(connection.id.value) -> \(text.prefix(200))")
      if let ended { endTold[ended] = clock.now }
      if !isEchoSeen { isEchoSeen = text.holds(#""stream_id":"lane-"#) }
      if text.utf8.count < 200, text.holds("websocket_connection_limit_reached") { link.limitTold = clock.now }
      var text = text
      text.withUTF8 { machine.receive(connection, text: UnsafeRawBufferPointer($0), now: now) }
    }
    machine.finishedRead(connection, now: now)
    perform()
    if burst.contains(where: { $0.text == Self.noEvent }), !link.isEnded {
      Violation.report("connection \(connection.id.value) goes on after what is no event")
    }
  }

  func send(_ body: [UInt8], _ turn: TurnID?, _ connection: Connection) {
    guard let link = links[connection.id], link.isOpen else {
      return Violation.report("something is sent on a connection that is not there")
    }
    if let turn { turns[turn]?.connection = connection.id }
    trace("  connection \(connection.id.value) <- \(String(decoding: body.prefix(400), as: UTF8.self))")
    if let told = link.limitTold, told < clock.now, turn != nil {
      Violation.report("a request is sent on a connection that has told its age limit")
    }
    // Sometimes the kernel takes the message only in part, and the connection may end before the rest.
    let kernel = hasFaults && random.oneIn(10) ? Int64(random.below(200)) : 0
    link.sendToServer(body, kernel: kernel, flight: Int64(random.below(30))) { [self] in
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
      if let link = anyLink() {
        link.server?.reachLimit()
        if random.oneIn(2) { clock.after(Int64(random.below(500))) { [self] in cut(link, "60 minutes") } }
      }
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
