import RWSJSON
import Testing

@testable import RWSProtocol

/// Leaving connections before their age limit.
@Suite struct RotationTests {
  private let user = #"[{"role":"user","content":"hi"}]"#
  private static let minute: Int64 = 60_000_000_000

  private func aged(_ lanes: Dialect.Lanes = .supported, sessions: Int = 1) throws -> (MachineDriver, [SessionID]) {
    let driver = try MachineDriver(lanes: lanes)
    let ids = [driver.session] + (1..<sessions).map { _ in driver.openSession() }
    for (index, id) in ids.enumerated() {
      let turn = try driver.start(user, in: id)
      driver.open()
      driver.answer(try #require(driver.request(turn)), "r\(index)")
    }
    return (driver, ids)
  }

  @Test("Five minutes before the hour at the latest, the new connection is open before the old one is left", arguments: [
    Dialect.Lanes.supported, .unsupported,
  ])
  func idle(lanes: Dialect.Lanes) throws {
    let (driver, _) = try aged(lanes)
    driver.advance(nanoseconds: 52 * Self.minute)
    #expect(driver.connects.count == 1)
    driver.advance(nanoseconds: 3 * Self.minute)
    #expect(driver.connects.count == 2 && driver.closes.isEmpty)
    driver.open()
    #expect(driver.closes.map(\.id) == [driver.connects[0].id])
    let turn = try driver.start(user)
    let request = try #require(driver.request(turn))
    #expect(request.connection === driver.connects[1])
    #expect(driver.noticed(turn).first?["type"]?.string == "rws.rotated")
    driver.answer(request, "next")
    #expect(driver.ends[turn]?.stats.fullReason == .rotated)
  }

  @Test("A running turn ends where it is; turns that are due while the new connection is not open go to the old one")
  func running() throws {
    let (driver, _) = try aged()
    let first = try driver.start(user)
    let second = try driver.start(user)
    driver.advance(nanoseconds: 55 * Self.minute)
    #expect(driver.connects.count == 2)
    driver.answer(try #require(driver.request(first)), "a")
    let request = try #require(driver.request(second))
    #expect(request.connection === driver.connects[0] && request.previousResponseID == "a")
    driver.open()
    driver.answer(request, "b")
    #expect(driver.closes.count == 1)
    let third = try driver.start(user)
    #expect(driver.request(third)?.connection === driver.connects[1])
  }

  @Test("A turn that waits for its session's fork to begin goes on where the session moves to (simulation, seed 2245)")
  func waitingForFork() throws {
    let (driver, sessions) = try aged()
    try driver.start(user, in: driver.fork(sessions[0]))
    let turn = try driver.start(user, in: sessions[0])
    driver.advance(nanoseconds: 55 * Self.minute)
    #expect(driver.request(turn) == nil)
    driver.open()
    #expect(driver.request(turn)?.connection === driver.connects[1])
  }

  @Test("At the cap all give way that met the age limit and carry only cancelled responses (simulation, seed 80870)")
  func limitMetTwice() throws {
    var limits = PoolLimits()
    limits.connectionsMax = 1
    let driver = try MachineDriver(lanes: .supported, limits: limits)
    let limit = Wire.error("websocket_connection_limit_reached")
    try driver.start(user)
    driver.open()
    driver.answer("r0")
    driver.advance(nanoseconds: 55 * Self.minute)
    let first = try driver.start(user)
    driver.receive(Wire.created("r1"), on: driver.connects[0])
    driver.open()
    driver.receive(limit, on: driver.connects[0])
    driver.cancel(first)
    let second = try driver.start(user)
    driver.receive(Wire.created("r2"), limit, on: driver.connects[1])
    driver.cancel(second)
    let third = try driver.start(user)
    driver.open()
    #expect(driver.closes.count == 2 && driver.request(third)?.connection === driver.connects.last)
  }

  @Test("At the cap, what carries only cancelled responses gives way to a replacement (simulation, seed 912970)")
  func desertedGivesWayToReplacement() throws {
    var limits = PoolLimits()
    limits.connectionsMax = 1
    limits.idleNanoseconds = .max
    let driver = try MachineDriver(lanes: .supported, limits: limits)
    let cancelled = try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r1"))
    driver.advance(nanoseconds: 55 * Self.minute)
    driver.open()
    let replacement = driver.connects[1]
    driver.receive(Wire.error("websocket_connection_limit_reached"), on: driver.connects[0])
    driver.cancel(cancelled)
    let turn = try driver.start(user)
    driver.answer(try #require(driver.request(turn)), "r2")
    #expect(driver.request(turn)?.connection === replacement && driver.closes.isEmpty)
    driver.advance(nanoseconds: 55 * Self.minute)
    #expect(driver.closes.map(\.id) == [driver.connects[0].id])
    #expect(driver.connects.count == 3)
  }

  @Test("All sessions of a connection move, each between two of its turns; it is closed when the last has left")
  func many() throws {
    let (driver, sessions) = try aged(sessions: 4)
    #expect(driver.connects.count == 1)
    let running = try driver.start(user, in: sessions[2])
    driver.advance(nanoseconds: 55 * Self.minute)
    driver.open()
    #expect(driver.closes.isEmpty)
    driver.answer(try #require(driver.request(running)), "x")
    #expect(driver.closes.count == 1 && driver.connects.count == 2)
    for session in sessions {
      let turn = try driver.start(user, in: session)
      let request = try #require(driver.request(turn))
      #expect(request.connection === driver.connects[1])
      driver.answer(request, "y\(session.value)")
    }
  }

  @Test("A replacement that cannot be opened is tried again; the old connection serves on")
  func failing() throws {
    let (driver, _) = try aged()
    driver.advance(nanoseconds: 55 * Self.minute)
    driver.lose(ResponsesError(.connectRefused, "refused"), driver.connects[1])
    let turn = try driver.start(user)
    #expect(driver.request(turn)?.previousResponseID == "r0")
    driver.advance(nanoseconds: Self.minute)
    #expect(driver.connects.count == 3)
  }

  @Test("xAI: a minute before its 25")
  func xAI() throws {
    let driver = try MachineDriver(dialect: Dialect(host: "api.x.ai", path: "/v1"))
    try driver.start(user)
    driver.open()
    driver.answer("r")
    driver.advance(nanoseconds: 23 * Self.minute)
    #expect(driver.connects.count == 1)
    driver.advance(nanoseconds: Self.minute)
    #expect(driver.connects.count == 2)
  }

  @Test("A connection that nobody is on is closed without a replacement")
  func empty() throws {
    let (driver, sessions) = try aged()
    driver.machine.connect(sessions[0], now: driver.now)
    driver.close(sessions[0])
    driver.advance(nanoseconds: 55 * Self.minute)
    #expect(driver.connects.count == 1 && driver.closes.count == 1)
  }

  @Test("A connection that is being left, on which only a cancelled response runs on, makes no room for another")
  func leftMakesNoRoom() throws {
    var limits = PoolLimits()
    limits.connectionsMax = 1
    let driver = try MachineDriver(lanes: .unsupported, limits: limits)
    let turn = try driver.start(user)
    driver.open()
    driver.advance(nanoseconds: 55 * Self.minute)
    driver.cancel(turn)
    driver.open()
    try driver.start(user)
    try driver.start(user, in: driver.openSession())
    #expect(driver.connects.count == 2)
  }

  @Test("At the cap, a replacement that others have taken is not replaced: who runs stays until the end")
  func takenReplacement() throws {
    var limits = PoolLimits()
    limits.connectionsMax = 1
    let driver = try MachineDriver(lanes: .unsupported, limits: limits)
    let turn = try driver.start(user)
    driver.open()
    driver.advance(nanoseconds: 55 * Self.minute)
    try driver.start(user, in: driver.openSession())
    driver.open()
    driver.answer(try #require(driver.request(turn)), "a")
    driver.advance(nanoseconds: Self.minute)
    #expect(driver.connects.count == 2)
    let next = try driver.start(user)
    #expect(driver.request(next)?.connection === driver.connects[0])
  }
}
