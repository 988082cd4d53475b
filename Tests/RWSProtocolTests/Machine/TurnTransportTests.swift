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
}
