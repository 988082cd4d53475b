import RWSJSON
import Testing

@testable import RWSProtocol

@Suite("Priming the connection that a session moves to") struct PrimingTests {
  private static let minute: Int64 = 60_000_000_000

  private func driver(store: Bool = false, primes: Bool = true) throws -> MachineDriver {
    var limits = PoolLimits()
    limits.primesRotation = primes
    return try MachineDriver(settings: #"{"model":"m","store":\#(store)}"#, lanes: .supported, limits: limits)
  }

  /// A session whose last turn was a minute before its connection's successor opens.
  private func moved(_ driver: MachineDriver, finish: (MachineDriver) -> Void = { $0.answer("r1") }) throws {
    try driver.start(#""one""#)
    driver.open()
    driver.answer("r0")
    driver.advance(nanoseconds: 52 * Self.minute)
    try driver.start(#""two""#)
    finish(driver)
    driver.advance(nanoseconds: 3 * Self.minute)
    #expect(driver.connects.count == 2)
    driver.open()
  }

  @Test("the history goes to the new connection at once, and the next turn is a delta")
  func primes() throws {
    let driver = try driver()
    try moved(driver)
    let priming = try #require(driver.sent.last)
    #expect(driver.sent.count == 3)
    #expect(priming.connection === driver.connects[1])
    #expect(priming.body["generate"]?.bool == false)
    #expect(priming.body["input"]?.elements.count == 4)
    driver.receive([Wire.created("p"), Wire.completed("p")], on: priming.connection)
    let turn = try driver.start(#""three""#)
    let request = try #require(driver.request(turn))
    #expect(request.previousResponseID == "p")
    #expect(request.body["input"]?.elements.count == 1)
    #expect(driver.noticed(turn).map { $0["type"]?.string } == ["rws.rotated"])
    driver.answer(request, "r2")
    #expect(driver.ends[turn]?.stats.isDelta == true)
    #expect(driver.machine.counters.primingCount == 1)
    #expect(driver.machine.history(driver.session).itemCount == 6)
  }

  @Test("a turn that is started meanwhile waits for it; if it fails, the turn is sent whole")
  func waiting() throws {
    for isWell in [true, false] {
      let driver = try driver()
      try moved(driver)
      let priming = try #require(driver.sent.last)
      let turn = try driver.start(#""three""#)
      #expect(driver.request(turn) == nil)
      let end = isWell ? Wire.completed("p") : Wire.failed("p", code: "server_error")
      driver.receive([Wire.created("p"), end], on: priming.connection)
      let request = try #require(driver.request(turn))
      #expect(request.previousResponseID == (isWell ? "p" : nil))
      #expect(request.body["input"]?.elements.count == (isWell ? 1 : 5))
    }
  }

  @Test("not without being asked for, nor for what is stored, has open calls, or has not been active lately")
  func not() throws {
    var driver = try driver(primes: false)
    try moved(driver)
    #expect(driver.sent.count == 2)
    driver = try self.driver(store: true)
    try moved(driver)
    #expect(driver.sent.count == 2)
    driver = try self.driver()
    try moved(driver) { $0.receive(Wire.created("r1"), Wire.callDone("c1"), Wire.completed("r1")) }
    #expect(driver.sent.count == 2)
    driver = try self.driver()
    try driver.start(#""one""#)
    driver.open()
    driver.answer("r0")
    driver.advance(nanoseconds: 55 * Self.minute)
    driver.open()
    #expect(driver.sent.count == 1)
  }

  @Test("a turn does not wait for one that is never answered longer than the limit, and goes elsewhere, whole")
  func limited() throws {
    var limits = PoolLimits()
    limits.primesRotation = true
    limits.primingLimitNanoseconds = 1_000
    let driver = try MachineDriver(lanes: .supported, limits: limits)
    try moved(driver)
    let priming = try #require(driver.sent.last)
    let turn = try driver.start(#""three""#)
    #expect(driver.request(turn) == nil)
    driver.advance(nanoseconds: 1_000)
    let request = try #require(driver.request(turn))
    #expect(request.lane != priming.lane)
    #expect(request.body["input"]?.elements.count == 5)
  }
}
