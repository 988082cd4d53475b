import Testing

@testable import RWSProtocol

@Suite("A turn's own transport") struct TurnTransportTests {
  @Test("http for one turn leaves the connection to the next")
  func http() throws {
    let driver = try MachineDriver(lanes: .supported)
    try driver.start(#""a""#)
    driver.open()
    driver.answer("r1")
    let webSocket = driver.connects[0]
    let turn = try driver.start(#""b""#, transport: .http)
    #expect(driver.connects.map(\.transport) == [.webSocket, .http])
    driver.open()
    driver.answer("r2")
    #expect(driver.ends[turn]?.stats.transport == .http)
    let next = try driver.start(#""c""#)
    #expect(driver.connects.count == 2)
    #expect(driver.request(next)?.connection === webSocket)
    #expect(driver.request(next)?.previousResponseID == nil)
    driver.answer(try #require(driver.request(next)), "r3")
    #expect(driver.ends[next]?.stats.transport == .webSocket)
  }

  @Test("websocket for one turn of a client that uses HTTP")
  func webSocket() throws {
    let driver = try MachineDriver(transport: .http)
    let turn = try driver.start(#""a""#, transport: .webSocket)
    #expect(driver.connects.map(\.transport) == [.webSocket])
    driver.refuseUpgrade()
    #expect(driver.ends[turn]?.error?.status == .upgradeRefused)
    try driver.start(#""b""#)
    #expect(driver.connects.last?.transport == .http)
  }

  @Test("auto for one turn falls back, and is remembered by those that may")
  func automatic() throws {
    let driver = try MachineDriver()
    let turn = try driver.start(#""a""#, transport: .automatic)
    driver.refuseUpgrade()
    #expect(driver.connects.map(\.transport) == [.webSocket, .http])
    driver.open()
    driver.answer("r1")
    #expect(driver.ends[turn]?.stats.transport == .http)
    try driver.start(#""b""#, transport: .automatic)
    #expect(driver.connects.last?.transport == .http)
    driver.open()
    driver.answer("r2")
    try driver.start(#""c""#)
    #expect(driver.connects.last?.transport == .webSocket)
    #expect(driver.machine.counters.fallbackCount == 1)
  }

  @Test("a turn without a choice of its own is the client's, whatever seat the one before has left")
  func seatLeftOver() throws {
    let driver = try MachineDriver(lanes: .supported)
    let warmUp = try driver.start(#""a""#, isWarmUp: true, transport: .http)
    driver.open()
    #expect(driver.ends[warmUp]?.outcome == .completed)
    let turn = try driver.start(#""b""#)
    #expect(driver.connects.map(\.transport) == [.http, .webSocket])
    #expect(driver.request(turn) == nil)
  }

  /// Seeds 163,480 and 182,319 of the simulation: the server was asked for a response that was being replaced.
  @Test("a fork that does not continue its source's response takes its place in the lane that the source has left")
  func leftToFork() throws {
    let driver = try MachineDriver(lanes: .supported)
    try driver.start(#""a""#)
    driver.open()
    driver.receive(Wire.created("r1"), Wire.itemDone(Wire.call("c1"), at: 0), Wire.completed("r1"))
    let answer = #"[{"type":"function_call_output","call_id":"c1","output":"1"}]"#
    let elsewhere = try driver.start(answer, transport: .http)
    let source = driver.session
    let fork = driver.fork(source)
    let turn = try driver.start(#""b""#, in: fork, isAbandoningCalls: true)
    let request = try #require(driver.request(turn))
    #expect(request.lane == nil && request.previousResponseID == nil)
    driver.cancel(turn)
    driver.cancel(elsewhere)
    for session in [source, fork] {
      let next = try driver.start(answer, in: session)
      #expect(driver.request(next)?.previousResponseID == nil)
      driver.answer(try #require(driver.request(next)), "r\(next)")
      #expect(driver.ends[next]?.stats.fullReason == .laneReused)
    }
  }

  private func crowded() throws -> MachineDriver {
    var limits = PoolLimits()
    limits.connectionsMax = 1
    return try MachineDriver(lanes: .supported, limits: limits)
  }

  @Test("at the limit of connections, one on which nothing runs gives way to a turn over HTTP")
  func unusedGivesWay() throws {
    let driver = try crowded()
    try driver.start(#""a""#)
    driver.open()
    let other = try driver.start(#""b""#, in: driver.openSession(), transport: .http)
    #expect(driver.closes.isEmpty)
    driver.answer("r1")
    #expect(driver.closes.count == 1)
    #expect(driver.connects.map(\.transport) == [.webSocket, .http])
    driver.open()
    driver.answer(try #require(driver.request(other)), "r2")
    #expect(driver.ends[other]?.outcome == .completed)
  }

  @Test("nor does it wait behind responses of cancelled turns, or for another's HTTP connection that carries nothing")
  func nothingWaitedFor() throws {
    let driver = try crowded()
    let cancelled = try driver.start(#""a""#)
    driver.open()
    driver.connect(driver.openSession())
    driver.cancel(cancelled)
    let session = driver.openSession()
    try driver.start(#""b""#, in: session, isWarmUp: true, transport: .http)
    #expect(driver.closes.map(\.transport) == [.webSocket])
    driver.open()
    try driver.start(#""c""#, in: driver.openSession(), transport: .http)
    #expect(driver.closes.map(\.transport) == [.webSocket, .http])
    #expect(driver.connects.last?.transport == .http)
  }

  @Test("a turn that wants a WebSocket takes no lane of an HTTP connection")
  func noLaneOfHTTP() throws {
    let driver = try crowded()
    try driver.start(#""a""#, isWarmUp: true, transport: .http)
    driver.open()
    let turn = try driver.start(#""b""#, in: driver.openSession())
    #expect(driver.connects.map(\.transport) == [.http, .webSocket])
    driver.open()
    #expect(driver.request(turn)?.connection.transport == .webSocket)
  }

  @Test("one too many, as a probe makes it, is no reason to wait for ever: all that is unused gives way")
  func probeMadeTooMany() throws {
    var limits = PoolLimits()
    limits.connectionsMax = 1
    let driver = try MachineDriver(lanes: .supported, limits: limits, transport: .automatic)
    try driver.start(#""a""#)
    driver.refuseUpgrade()
    driver.open()
    driver.answer("r1")
    let second = try driver.start(#""b""#, in: driver.openSession(), transport: .webSocket)
    driver.advance(nanoseconds: limits.probeNanoseconds)
    #expect(driver.connects.map(\.transport) == [.webSocket, .http, .webSocket, .webSocket])
    driver.open()
    driver.answer(try #require(driver.request(second)), "r2")
    let third = try driver.start(#""c""#, in: driver.openSession(), transport: .http)
    #expect(driver.connects.count == 5)
    #expect(driver.closes.suffix(2).allSatisfy { $0.transport == .webSocket })
    driver.open()
    #expect(driver.request(third)?.connection.transport == .http)
  }
}
