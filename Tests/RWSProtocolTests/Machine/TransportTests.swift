import RWSJSON
import Testing

@testable import RWSProtocol

@Suite struct TransportTests {
  private let user = #"[{"role":"user","content":"hi"}]"#
  private static let stored = #"{"model":"m","store":true}"#

  private func http(_ settings: String = #"{"model":"m","store":false}"#) throws -> MachineDriver {
    try MachineDriver(settings: settings, transport: .http)
  }

  // MARK: Over HTTP

  @Test("each response has a connection of its own, which is closed when it has ended")
  func oneResponseEach() throws {
    let driver = try http()
    for number in 1...3 {
      let turn = try driver.start(user)
      #expect(driver.connects.count == number)
      driver.open()
      driver.answer("r\(number)")
      #expect(driver.ends[turn]?.outcome == .completed)
      #expect(driver.ends[turn]?.stats.transport == .http)
      #expect(driver.closes.count == number)
      // What carried it may carry the next.
      #expect(driver.closes.last?.isAnswered == true)
    }
    #expect(Set(driver.connects.map(\.transport)) == [.http])
  }

  @Test("the request is the body of POST /responses: streamed, without type, lane and generate")
  func body() throws {
    let driver = try http()
    try driver.start(user)
    driver.open()
    let body = try #require(driver.sent.last?.body)
    #expect(body["stream"]?.bool == true)
    for name in ["type", "stream_id", "generate", "previous_response_id"] { #expect(body[name] == nil) }
  }

  @Test("what is not stored goes whole each time; strict mode does not mind")
  func unstored() throws {
    let driver = try http()
    try driver.start(user)
    driver.open()
    driver.answer("r1")
    let turn = try driver.start(user, isStrict: true)
    driver.open()
    #expect(driver.request(turn)?.body["input"]?.elements.count == 3)
    driver.answer("r2")
    #expect(driver.ends[turn]?.stats.fullReason == .http)
  }

  @Test("what is stored is continued by its id, and sent whole once if the server has lost it")
  func stored() throws {
    let driver = try http(Self.stored)
    try driver.start(user)
    driver.open()
    driver.answer("r1")
    let turn = try driver.start(user)
    driver.open()
    #expect(driver.request(turn)?.previousResponseID == "r1")
    #expect(driver.request(turn)?.body["input"]?.elements.count == 1)
    driver.receive(Wire.error("previous_response_not_found"))
    driver.open()
    #expect(driver.request(turn)?.previousResponseID == nil)
    #expect(driver.request(turn)?.body["input"]?.elements.count == 3)
    driver.answer("r2")
    #expect(driver.ends[turn]?.stats.resendCount == 1)
    #expect(driver.ends[turn]?.stats.fullReason == .notFound)
  }

  @Test("sessions run side by side, each on connections of its own, without a bound on the rate of dialling")
  func sideBySide() throws {
    let driver = try http()
    let sessions = [driver.session] + (1..<40).map { _ in driver.openSession() }
    for session in sessions { try driver.start(user, in: session) }
    driver.open()
    #expect(driver.sent.count == 40)
    #expect(Set(driver.sent.map { ObjectIdentifier($0.connection) }).count == 40)
    for (number, request) in driver.sent.enumerated() { driver.answer(request, "r\(number)") }
    #expect(driver.ends.values.allSatisfy { $0.outcome == .completed })
    #expect(driver.closes.count == 40)
  }

  @Test("no more connections than the bound; who waits goes on when one has ended")
  func bounded() throws {
    var limits = PoolLimits()
    limits.connectionsMax = 2
    let driver = try MachineDriver(limits: limits, transport: .http)
    let sessions = [driver.session] + (1..<5).map { _ in driver.openSession() }
    let turns = try sessions.map { try driver.start(user, in: $0) }
    for number in 0..<5 {
      driver.open()
      let request = try #require(driver.sent.last { driver.ends[$0.turn] == nil })
      driver.answer(request, "r\(number)")
    }
    #expect(turns.allSatisfy { driver.ends[$0]?.outcome == .completed })
    #expect(driver.connects.count == 5)
  }

  @Test("a cancel ends the connection at once, and the session goes on from its last response")
  func cancelled() throws {
    let driver = try http()
    let turn = try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r1"))
    driver.cancel(turn)
    #expect(driver.ends[turn]?.outcome == .cancelled)
    #expect(driver.closes.map(\.isAnswered) == [false])
    let next = try driver.start(user)
    driver.open()
    driver.answer("r2")
    #expect(driver.ends[next]?.outcome == .completed)
  }

  @Test("a connection that fails, and an answer that breaks off, end the turn with what is known of it")
  func failures() throws {
    let driver = try http()
    let refused = try driver.start(user)
    driver.lose(ResponsesError(.connectRefused, "no"))
    #expect(driver.ends[refused]?.error?.status == .connectRefused)
    #expect(driver.ends[refused]?.error?.execution == .notSent)
    let cut = try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r1"), Wire.delta("x"))
    driver.lose()
    #expect(driver.ends[cut]?.error?.execution == .outputSeen)
    driver.recovery.resendsMax = 0
    let rejected = try driver.start(user)
    driver.open()
    driver.receive(Wire.error("rate_limit_exceeded", status: 429))
    #expect(driver.ends[rejected]?.error?.status == .rateLimited)
    #expect(driver.ends[rejected]?.error?.execution == .rejected)
  }

  @Test("a steer is returned: over HTTP nothing can be said to a response that runs")
  func steered() throws {
    let driver = try http()
    let turn = try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r1"))
    let steer = try driver.steer(turn, "more", responseID: "r1")
    guard case .returned(let error) = driver.steers[steer]?.last else {
      Issue.record("not returned")
      return
    }
    #expect(error.status == .notSupported)
    #expect(driver.steersSent.isEmpty)
  }

  @Test("a warm-up that gives up calls takes them out of what the next turn sends")
  func warmUpGivesUpCalls() throws {
    let driver = try http()
    try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r1"), Wire.callDone("c1"), Wire.completed("r1"))
    try driver.start(user, isWarmUp: true, isAbandoningCalls: true)
    driver.open()
    let turn = try driver.start(user)
    driver.open()
    let types = try #require(driver.request(turn)).body["input"]?.elements.map { $0["type"]?.string ?? "" }
    #expect(types == ["", "", ""])
  }

  @Test("where a connection was open before, one that is refused is dialled again")
  func dialledAgain() throws {
    let driver = try http()
    try driver.start(user)
    driver.open()
    driver.answer("r1")
    let turn = try driver.start(user)
    driver.lose(ResponsesError(.connectRefused, "refused"))
    #expect(driver.ends[turn] == nil)
    driver.advance(nanoseconds: 1_000_000_000)
    #expect(driver.connects.count == 3)
  }

  @Test("a warm-up sends nothing: its input goes with the next turn")
  func warmUp() throws {
    let driver = try http()
    let warm = try driver.start(user, isWarmUp: true)
    driver.open()
    #expect(driver.ends[warm]?.outcome == .completed)
    #expect(driver.sent.isEmpty)
    let turn = try driver.start(user)
    driver.open()
    #expect(driver.request(turn)?.body["input"]?.elements.count == 2)
  }

  @Test("connected ahead: the first turn uses that connection")
  func connectedAhead() throws {
    let driver = try http()
    driver.connect()
    driver.open()
    #expect(driver.connectEnds.count == 1)
    try driver.start(user)
    #expect(driver.connects.count == 1)
    #expect(driver.sent.count == 1)
  }

  // MARK: Automatic

  private func blocked() throws -> (MachineDriver, TurnID) {
    let driver = try MachineDriver(transport: .automatic)
    let turn = try driver.start(user)
    driver.refuseUpgrade()
    return (driver, turn)
  }

  @Test("where no WebSocket is to be had, the same turn goes over HTTP at once, and the next directly")
  func fallsBack() throws {
    let (driver, turn) = try blocked()
    #expect(driver.connects.map(\.transport) == [.webSocket, .http])
    driver.open()
    driver.answer("r1")
    #expect(driver.ends[turn]?.outcome == .completed)
    #expect(driver.ends[turn]?.stats.transport == .http)
    try driver.start(user)
    #expect(driver.connects.map(\.transport) == [.webSocket, .http, .http])
  }

  @Test("the turn tells of it, before its first event")
  func noticed() throws {
    let (driver, turn) = try blocked()
    driver.open()
    driver.answer("r1")
    #expect(driver.events[turn]?.first == "rws.transport")
    #expect(
      driver.notices[turn] == [#"{"type":"rws.transport","transport":"http","reason":"RWS_ERR_UPGRADE_REFUSED"}"#])
  }

  @Test("where HTTP is not to be had either, the turn ends with why there was no WebSocket")
  func neither() throws {
    let (driver, turn) = try blocked()
    driver.open()
    driver.receive(Wire.error("unknown_url", status: 404))
    #expect(driver.ends[turn]?.error?.status == .upgradeRefused)
    #expect(driver.ends[turn]?.error?.execution == .rejected)
    try driver.start(user)
    #expect(driver.connects.last?.transport == .webSocket)
  }

  @Test("a request that is larger than a message may be goes over HTTP, that turn alone")
  func tooLarge() throws {
    let driver = try MachineDriver(transport: .automatic)
    let turn = try driver.start(user)
    driver.open()
    driver.refuse(turn, ResponsesError(.messageTooLarge, "too large"))
    #expect(driver.connects.map(\.transport) == [.webSocket, .http])
    driver.open()
    driver.answer(try #require(driver.request(turn)), "r1")
    #expect(driver.ends[turn]?.outcome == .completed)
    #expect(driver.notices[turn]?.first?.contains("too_large") == true)
    let next = try driver.start(user)
    #expect(driver.request(next)?.connection.transport == .webSocket)
    let plain = try MachineDriver()
    let refused = try plain.start(user)
    plain.open()
    plain.refuse(refused, ResponsesError(.messageTooLarge, "too large"))
    #expect(plain.ends[refused]?.error?.status == .messageTooLarge)
  }

  @Test("a failure that HTTP would meet too is no reason to fall back; neither is one in websocket mode")
  func doesNotFallBack() throws {
    let driver = try MachineDriver(transport: .automatic)
    let turn = try driver.start(user)
    driver.lose(ResponsesError(.connectRefused, "no"))
    #expect(driver.ends[turn]?.error?.status == .connectRefused)
    let strict = try MachineDriver(transport: .webSocket)
    let refused = try strict.start(user)
    strict.refuseUpgrade()
    #expect(strict.ends[refused]?.error?.status == .upgradeRefused)
  }

  @Test("WebSocket is tried again in the background; nobody waits for that, and once it opens it is used")
  func probes() throws {
    let (driver, _) = try blocked()
    driver.open()
    driver.answer("r1")
    driver.advance(nanoseconds: PoolLimits().probeNanoseconds)
    let probe = try #require(driver.connects.last)
    #expect(probe.transport == .webSocket)
    let during = try driver.start(user)
    let other = try #require(driver.connects.last)
    #expect(other.transport == .http)
    driver.machine.opened(other, now: driver.now)
    driver.refuseUpgrade(probe)
    driver.answer(try #require(driver.request(during)), "r2")
    #expect(driver.ends[during]?.outcome == .completed)
    driver.advance(nanoseconds: PoolLimits().probeNanoseconds)
    let second = try #require(driver.connects.last)
    #expect(second !== probe && second.transport == .webSocket)
    driver.open()
    let count = driver.connects.count
    let turn = try driver.start(user)
    #expect(driver.connects.count == count)
    #expect(driver.request(turn)?.connection === second)
    #expect(driver.request(turn)?.body["type"]?.string == "response.create")
  }

  @Test("many refused at once: all their turns go over HTTP, and one probe is made")
  func manyRefused() throws {
    let driver = try MachineDriver(lanes: .unsupported, transport: .automatic)
    let sessions = [driver.session] + (1..<5).map { _ in driver.openSession() }
    let turns = try sessions.map { try driver.start(user, in: $0) }
    for connection in driver.connects { driver.refuseUpgrade(connection) }
    driver.open()
    for (number, turn) in turns.enumerated() {
      driver.answer(try #require(driver.request(turn)), "r\(number)")
      #expect(driver.ends[turn]?.outcome == .completed)
    }
    let count = driver.connects.count
    driver.advance(nanoseconds: PoolLimits().probeNanoseconds)
    #expect(driver.connects.count == count + 1)
  }

  @Test("blocked, to be had, and blocked again: one probe is due, its interval counted from the last block")
  func blockedTwice() throws {
    let driver = try MachineDriver(lanes: .unsupported, transport: .automatic)
    let half = PoolLimits().probeNanoseconds / 2
    try driver.start(user)
    try driver.start(user, in: driver.openSession())
    driver.refuseUpgrade(driver.connects[0])
    driver.machine.opened(driver.connects[1], now: driver.now)
    driver.advance(nanoseconds: half)
    try driver.start(user, in: driver.openSession())
    driver.refuseUpgrade(try #require(driver.connects.last { $0.transport == .webSocket }))
    let count = driver.connects.count
    driver.advance(nanoseconds: half)
    #expect(driver.connects.count == count)
    driver.advance(nanoseconds: half)
    #expect(driver.connects.count == count + 1 && driver.connects.last?.transport == .webSocket)
  }

  @Test("a refusal counts though nobody waits for that connection any more")
  func refusedForNobody() throws {
    let driver = try MachineDriver(lanes: .unsupported, transport: .automatic)
    let other = driver.openSession()
    try driver.start(user)
    driver.close()
    driver.refuseUpgrade()
    try driver.start(user, in: other)
    #expect(driver.connects.last?.transport == .http)
  }
}
