import RWSJSON
import Testing

@testable import RWSProtocol

/// Which connection and lane a session gets.
@Suite struct PoolTests {
  private let user = #"[{"role":"user","content":"hi"}]"#

  private func sessions(_ driver: MachineDriver, _ count: Int) -> [SessionID] {
    [driver.session] + (1..<count).map { _ in driver.openSession() }
  }

  @Test("16 in flight fill a connection; 1,000 sessions need 63")
  func dense() throws {
    let driver = try MachineDriver(lanes: .supported, limits: unlimitedRate())
    for session in sessions(driver, 1000) { try driver.start(user, in: session) }
    driver.open()
    #expect(driver.connects.count == 63 && driver.sent.count == 1000)
    for connection in driver.connects { #expect(connection.inFlight <= 16) }
  }

  @Test("At the cap, sessions share connections up to 33 lanes, and requests wait for the 16 in flight")
  func crowded() throws {
    let driver = try MachineDriver(lanes: .supported, limits: unlimitedRate(connections: 1))
    let turns = try sessions(driver, 33).map { try driver.start(user, in: $0) }
    driver.open()
    #expect(driver.connects.count == 1 && driver.sent.count == 16)
    var answered = 0
    while answered < driver.sent.count {
      driver.answer(driver.sent[answered], "r\(answered)")
      answered += 1
      #expect(driver.connects[0].inFlight <= 16)
    }
    #expect(turns.allSatisfy { driver.ends[$0]?.outcome == .completed })
    #expect(Set(driver.sent.map(\.lane)).count == 33)
  }

  @Test("The 34th session takes the lane of the one idle the longest, which is told so")
  func laneReuse() throws {
    let driver = try MachineDriver(lanes: .supported, limits: unlimitedRate(connections: 1))
    let all = sessions(driver, 34)
    try driver.start(user, in: all[0])
    driver.open()
    driver.answer(driver.sent[0], "r0")
    for (index, session) in all.enumerated().dropFirst() {
      driver.advance(nanoseconds: 1)
      let turn = try driver.start(user, in: session)
      driver.answer(try #require(driver.request(turn)), "r\(index)")
    }
    #expect(Set(driver.sent.map(\.lane)).count == 33)
    #expect(driver.sent.last?.lane == nil)
    let back = try driver.start(user, in: all[0])
    let request = try #require(driver.request(back))
    #expect(request.previousResponseID == nil && request.lane == "lane-1")
    driver.answer(request, "again")
    #expect(driver.ends[back]?.stats.fullReason == .laneReused)
  }

  @Test("Where lanes are unknown each session gets a socket, until the first echo of a name")
  func probing() throws {
    let driver = try MachineDriver(lanes: .unknown)
    let all = sessions(driver, 3)
    try driver.start(user, in: all[0])
    try driver.start(user, in: all[1])
    driver.open()
    #expect(driver.connects.count == 2 && driver.sent.map(\.lane) == [nil, "lane-1"])
    driver.answer(driver.sent[1], "r1")
    let third = try driver.start(user, in: all[2])
    #expect(driver.connects.count == 2)
    #expect(driver.request(third)?.lane != nil)
  }

  @Test("A server without lanes ignores the name: its events are understood, and each session has a socket")
  func laneless() throws {
    let driver = try MachineDriver(lanes: .unknown)
    let all = sessions(driver, 3)
    try driver.start(user, in: all[0])
    let second = try driver.start(user, in: all[1])
    driver.open()
    driver.receive(Wire.created("r1"), Wire.completed("r1"), on: driver.sent[1].connection)
    #expect(driver.ends[second]?.outcome == .completed)
    let third = try driver.start(user, in: all[2])
    driver.open()
    #expect(driver.connects.count == 3 && driver.request(third)?.lane == nil)
  }

  @Test("A server without lanes has one cache, whatever name a session had there before that was known")
  func oneCache() throws {
    let driver = try MachineDriver(lanes: .unknown)
    let all = sessions(driver, 3)
    try driver.start(user, in: all[0])
    try driver.start(user, in: all[1])
    driver.open()
    let first = driver.sent[0].connection
    driver.receive(Wire.created("r1"), Wire.completed("r1"), on: first)
    let fork = driver.fork(all[0])
    driver.close(all[0])
    let named = try #require(driver.request(try driver.start(user, in: all[2])))
    #expect(named.lane == "lane-1" && named.connection === first)
    driver.receive(Wire.created("r2"), Wire.completed("r2"), on: first)
    driver.close(all[2])
    let request = try #require(driver.request(try driver.start(user, in: fork)))
    #expect(request.connection === first && request.previousResponseID == nil)
  }

  @Test("A server that refuses the name gets the request again without it")
  func refusedName() throws {
    let driver = try MachineDriver(lanes: .unknown)
    let all = sessions(driver, 2)
    try driver.start(user, in: all[0])
    let second = try driver.start(user, in: all[1])
    driver.open()
    let refused = try #require(driver.request(second))
    driver.receive(
      #"{"type":"error","status":400,"error":{"code":"unknown_parameter","param":"stream_id","message":"no"}}"#,
      on: refused.connection)
    driver.open()
    let again = try #require(driver.request(second))
    #expect(again.lane == nil && driver.sent.count == 3)
    driver.answer(again, "r2")
    #expect(driver.ends[second]?.outcome == .completed)
  }

  @Test("Sessions of different routes (credentials, headers, proxy, …) never share a connection")
  func routes() throws {
    let driver = try MachineDriver(lanes: .supported)
    let other = driver.openSession(route: 2)
    let mine = try driver.start(user)
    let theirs = try driver.start(user, in: other)
    driver.open()
    #expect(driver.connects.count == 2)
    #expect(driver.request(mine)?.connection !== driver.request(theirs)?.connection)
    #expect(Set(driver.connects.map(\.routeID)) == [RouteID(1), RouteID(2)])
    driver.answer(try #require(driver.request(mine)), "r1")
    driver.close()
    let third = try driver.start(user, in: other)
    #expect(driver.request(third) == nil)
    #expect(driver.connects.count == 2)
  }

  @Test("A route is forgotten when its last session and its last connection are gone")
  func routeEnds() throws {
    let driver = try MachineDriver(lanes: .supported)
    let other = driver.openSession(route: 2)
    let turn = try driver.start(user, in: other)
    driver.open()
    driver.answer(try #require(driver.request(turn)), "r")
    driver.close(other)
    #expect(driver.endedRoutes.isEmpty)
    driver.advance(nanoseconds: 31_000_000_000)
    #expect(driver.endedRoutes == [RouteID(2)])
  }

  @Test("New connections come in a burst, then one in each interval")
  func connectRate() throws {
    var limits = PoolLimits()
    limits.connectBurst = 2
    limits.connectIntervalNanoseconds = 100
    let driver = try MachineDriver(lanes: .unsupported, limits: limits)
    for session in sessions(driver, 5) { try driver.start(user, in: session) }
    #expect(driver.connects.count == 2)
    driver.advance(nanoseconds: 99)
    #expect(driver.connects.count == 2)
    driver.advance(nanoseconds: 1)
    #expect(driver.connects.count == 3)
    driver.advance(nanoseconds: 100)
    #expect(driver.connects.count == 4)
    driver.advance(nanoseconds: 100)
    driver.open()
    #expect(driver.connects.count == 5 && driver.sent.count == 5)
  }

  @Test("A server that refuses two names at once gets both requests again without them")
  func twoRefusedNames() throws {
    let driver = try MachineDriver(lanes: .unknown)
    let turns = try sessions(driver, 3).map { try driver.start(user, in: $0) }
    driver.open()
    for turn in turns.dropFirst() {
      let refused = try #require(driver.request(turn))
      #expect(refused.lane == "lane-1")
      driver.receive(
        #"{"type":"error","status":400,"error":{"code":"unknown_parameter","param":"stream_id","message":"no"}}"#,
        on: refused.connection)
    }
    driver.open()
    #expect(turns.allSatisfy { driver.request($0)?.lane == nil && driver.ends[$0] == nil })
  }

  @Test("At the cap a connection gives way on which only a cancelled response runs on, and never ends")
  func desertedConnection() throws {
    let driver = try MachineDriver(lanes: .unsupported, limits: unlimitedRate(connections: 1))
    let hung = try driver.start(user)
    driver.open()
    driver.cancel(hung)
    let next = try driver.start(user)
    #expect(driver.closes.count == 1 && driver.connects.count == 2)
    driver.open()
    #expect(driver.request(next) != nil)
  }

  @Test("A connection full of cancelled responses that never end is given up")
  func fullOfCancelledResponses() throws {
    let driver = try MachineDriver(lanes: .supported, limits: unlimitedRate(connections: 1))
    let all = sessions(driver, 17)
    let turns = try all.map { try driver.start(user, in: $0) }
    driver.open()
    #expect(driver.sent.count == 16)
    for turn in turns.dropLast() { driver.cancel(turn) }
    driver.open()
    #expect(driver.closes.count == 1)
    #expect(driver.request(try #require(turns.last)) != nil)
  }

  @Test(
    "So it is if its own session waits, or a session between two turns sits there (simulation, seed 101412)",
    arguments: [false, true])
  func fullOfCancelledBesideASession(isOther: Bool) throws {
    let driver = try MachineDriver(lanes: .supported, limits: unlimitedRate(connections: 1))
    let all = sessions(driver, 18)
    let first = try driver.start(user, in: all[0])
    driver.open()
    driver.answer(try #require(driver.request(first)), "r1")
    let turns = try all[1...16].map { try driver.start(user, in: $0) }
    let waiting = try driver.start(user, in: all[isOther ? 17 : 0])
    #expect(driver.request(waiting) == nil)
    for turn in turns { driver.cancel(turn) }
    #expect(driver.closes.count == 1 && driver.connects.count == 2)
    driver.open()
    #expect(driver.request(waiting) != nil)
  }

  @Test("A session that closes with a running turn makes room for who waits (simulation, seed 113180)", arguments: [
    TransportChoice.http, .webSocket,
  ])
  func closedWhileRunning(transport: TransportChoice) throws {
    let driver = try MachineDriver(
      lanes: .unsupported, limits: unlimitedRate(connections: 1), transport: transport)
    let all = sessions(driver, 2)
    let turns = try all.map { try driver.start(user, in: $0) }
    driver.open()
    #expect(driver.request(turns[0]) != nil && driver.request(turns[1]) == nil)
    driver.close(all[0])
    #expect(driver.connects.count == 2)
    driver.open()
    #expect(driver.request(turns[1]) != nil)
  }

  @Test("Nobody uses a connection on which only a cancelled response runs on: it is closed when idle")
  func idleButForTheCancelled() throws {
    var limits = PoolLimits()
    limits.idleNanoseconds = 100
    let driver = try MachineDriver(lanes: .supported, limits: limits)
    let turn = try driver.start(user)
    driver.open()
    driver.cancel(turn)
    driver.close()
    driver.advance(nanoseconds: 100)
    #expect(driver.closes.count == 1)
  }

  @Test("A connection that is too old, and on which only a cancelled response runs on, is closed when idle")
  func retiredButForTheCancelled() throws {
    var limits = PoolLimits()
    limits.idleNanoseconds = 100
    let driver = try MachineDriver(lanes: .supported, limits: limits)
    let turn = try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r1"), Wire.error("websocket_connection_limit_reached"))
    driver.cancel(turn)
    #expect(driver.closes.isEmpty)
    driver.advance(nanoseconds: 100)
    #expect(driver.closes.count == 1)
  }

  @Test("A turn that waits for its session's fork goes elsewhere when the connection gets too old (simulation, seed 120085)")
  func waitingForForkAtAgeLimit() throws {
    let driver = try MachineDriver(lanes: .supported)
    let first = try driver.start(user)
    driver.open()
    driver.answer(try #require(driver.request(first)), "r1")
    let forked = try driver.start(user, in: driver.fork(driver.session))
    let turn = try driver.start(user)
    driver.receive(Wire.on(driver.request(forked)?.lane, Wire.created("f1")))
    #expect(driver.request(turn) == nil)
    driver.receive(Wire.error("websocket_connection_limit_reached"))
    driver.open()
    #expect(driver.request(turn)?.connection === driver.connects[1])
  }

  @Test("A turn that waits for one of the 16 in flight goes elsewhere when the connection gets too old")
  func waitingAtAgeLimit() throws {
    let driver = try MachineDriver(lanes: .supported, limits: unlimitedRate(connections: 1))
    let all = sessions(driver, 17)
    let turns = try all.map { try driver.start(user, in: $0) }
    driver.open()
    let sent = driver.sent
    #expect(sent.count == 16)
    for request in sent { driver.receive(Wire.on(request.lane, Wire.created("r\(request.turn.value)"))) }
    driver.receive(Wire.error("websocket_connection_limit_reached"))
    for request in sent { driver.receive(Wire.on(request.lane, Wire.completed("r\(request.turn.value)"))) }
    #expect(driver.connects.count == 2)
    driver.open()
    #expect(driver.request(try #require(turns.last))?.connection === driver.connects.last)
  }

  @Test("At the cap a connection that is too old gives way, if all that runs on there is a cancelled response")
  func retiredGivesWay() throws {
    let driver = try MachineDriver(lanes: .supported, limits: unlimitedRate(connections: 1))
    let all = sessions(driver, 2)
    let turns = try all.map { try driver.start(user, in: $0) }
    driver.open()
    let sent = try turns.map { try #require(driver.request($0)) }
    for request in sent { driver.receive(Wire.on(request.lane, Wire.created("r\(request.turn.value)"))) }
    driver.receive(Wire.error("websocket_connection_limit_reached"))
    driver.cancel(turns[0])
    driver.receive(Wire.on(sent[1].lane, Wire.completed("r\(turns[1].value)")))
    try driver.start(user, in: all[0])
    #expect(driver.connects.count == 2)
  }

  @Test("A session whose turns end before they are sent gives its place to those who wait")
  func placeNotNeeded() throws {
    let driver = try MachineDriver(lanes: .unsupported, limits: unlimitedRate(connections: 1))
    let all = sessions(driver, 2)
    let first = try driver.start(user, in: all[0])
    // Does not answer the call that the first turn brings.
    let second = try driver.start(user, in: all[0])
    driver.open()
    let waiting = try driver.start(user, in: all[1])
    driver.receive(Wire.created("r1"), Wire.callDone("c1"), Wire.completed("r1"))
    #expect(driver.ends[first]?.outcome == .completed)
    #expect(driver.ends[second]?.error?.status == .missingOutput)
    #expect(driver.request(waiting) != nil)
  }

  @Test("Without lanes, at the cap: sessions take turns, first come, first served")
  func lanelessCap() throws {
    let driver = try MachineDriver(lanes: .unsupported, limits: unlimitedRate(connections: 2))
    let turns = try sessions(driver, 6).map { try driver.start(user, in: $0) }
    driver.open()
    #expect(driver.sent.count == 2)
    var answered = 0
    while answered < driver.sent.count {
      driver.answer(driver.sent[answered], "r\(answered)")
      answered += 1
    }
    #expect(driver.sent.map(\.turn) == turns)
    #expect(turns.allSatisfy { driver.ends[$0]?.outcome == .completed })
  }

  @Test("A connection that no session uses is kept for a while, for the next session")
  func idleConnection() throws {
    var limits = PoolLimits()
    limits.idleNanoseconds = 100
    let driver = try MachineDriver(limits: limits)
    try driver.start(user)
    driver.open()
    driver.answer("r1")
    driver.close()
    driver.advance(nanoseconds: 99)
    let next = driver.openSession()
    let turn = try driver.start(user, in: next)
    #expect(driver.connects.count == 1)
    driver.answer(try #require(driver.request(turn)), "r2")
    driver.close(next)
    driver.advance(nanoseconds: 99)
    #expect(driver.closes.isEmpty)
    driver.advance(nanoseconds: 1)
    #expect(driver.closes.count == 1)
  }

  @Test("What nobody uses any more is gone, whatever alarms are still to ring for it")
  func alarmsHoldNothing() throws {
    let driver = try MachineDriver()
    let session = driver.openSession(route: 7)
    let turn = try driver.start(user, in: session)
    driver.open()
    driver.answer(try #require(driver.request(turn)), "r1")
    weak let route = driver.machine.routes[RouteID(7)]
    weak let connection = driver.connects.last
    #expect(route != nil && connection != nil)
    driver.close(session)
    driver.lose()
    driver.forgetConnections()
    #expect(driver.endedRoutes == [RouteID(7)])
    #expect(driver.machine.nextDeadline != nil)
    #expect(route == nil && connection == nil)
  }

  @Test("A failed connect ends the turns that waited for it, and nobody else's")
  func failedConnect() throws {
    let driver = try MachineDriver(lanes: .unsupported)
    let all = sessions(driver, 2)
    let first = try driver.start(user, in: all[0])
    let second = try driver.start(user, in: all[1])
    driver.lose(ResponsesError(.connectRefused, "no"), driver.connects[0])
    #expect(driver.ends[first]?.error?.execution == .notSent)
    driver.open()
    #expect(driver.ends[second] == nil && driver.request(second) != nil)
  }

  private func unlimitedRate(connections: Int = 64) -> PoolLimits {
    var limits = PoolLimits()
    limits.connectionsMax = connections
    limits.connectBurst = 1000
    return limits
  }
}
