import Testing

@testable import RWSProtocol

@Suite("API keys that are asked for") struct KeyTests {
  private let driver: MachineDriver
  private let session: SessionID

  init() throws {
    driver = try MachineDriver(lanes: .unsupported)
    session = driver.openSession(route: 2, asksForKey: true)
  }

  private var refusal: ResponsesError {
    var error = ResponsesError(.unauthorized, "401")
    error.httpStatus = 401
    return error
  }

  @Test("nothing is dialled before the key is there")
  func askedFirst() throws {
    let turn = try driver.start(#""hello""#, in: session)
    #expect(driver.keyQuestions.map(\.isRefused) == [false])
    #expect(driver.connects.isEmpty)
    driver.giveKey()
    #expect(driver.connects.count == 1)
    driver.open()
    driver.answer("r1")
    #expect(driver.ends[turn]?.outcome == .completed)
    #expect(driver.machine.counters.keyRequestCount == 1)
  }

  @Test("who comes while a question is under way shares its answer; the next dial asks anew")
  func singleFlight() throws {
    let other = driver.openSession(route: 2, asksForKey: true)
    let third = driver.openSession(route: 2, asksForKey: true)
    try driver.start(#""a""#, in: session)
    try driver.start(#""b""#, in: other)
    #expect(driver.keyQuestions.count == 1)
    driver.giveKey()
    #expect(driver.connects.count == 2)
    try driver.start(#""c""#, in: third)
    #expect(driver.keyQuestions.count == 2)
  }

  @Test("routes are asked for by themselves")
  func perRoute() throws {
    let other = driver.openSession(route: 3, asksForKey: true)
    try driver.start(#""a""#, in: session)
    try driver.start(#""b""#, in: other)
    #expect(driver.keyQuestions.map(\.route) == [RouteID(2), RouteID(3)])
    driver.giveKey(route: 3)
    #expect(driver.connects.map(\.routeID) == [RouteID(3)])
  }

  @Test("no key: the turn ends with the reason, and the next one asks again")
  func failure() throws {
    let turn = try driver.start(#""hello""#, in: session)
    driver.giveKey(ResponsesError(.apiKey, "no key today"))
    #expect(driver.ends[turn]?.error?.status == .apiKey)
    #expect(driver.ends[turn]?.error?.message == "no key today")
    #expect(driver.ends[turn]?.error?.execution == .notSent)
    try driver.start(#""again""#, in: session)
    #expect(driver.keyQuestions.count == 2)
  }

  @Test("a key that does not come in time is none, and what comes later is nobody's")
  func timeLimit() throws {
    let turn = try driver.start(#""hello""#, in: session)
    driver.advance(nanoseconds: driver.machine.limits.keyNanoseconds)
    #expect(driver.ends[turn]?.error?.status == .apiKey)
    #expect(driver.forgottenKeyRequests == [RouteID(2)])
    driver.giveKey()
    #expect(driver.connects.isEmpty)
  }

  @Test("a key that is refused is asked for once more, and told so; a second refusal is the error")
  func refused() throws {
    let turn = try driver.start(#""hello""#, in: session)
    driver.giveKey()
    driver.lose(refusal)
    #expect(driver.ends[turn] == nil)
    #expect(driver.keyQuestions.map(\.isRefused) == [false, true])
    driver.giveKey()
    #expect(driver.connects.count == 2)
    driver.lose(refusal)
    #expect(driver.ends[turn]?.error?.status == .unauthorized)
    #expect(driver.keyQuestions.count == 2)
    #expect(driver.machine.counters.refusedKeyCount == 1)
    // A new turn begins anew; what was refused twice is told too.
    try driver.start(#""again""#, in: session)
    #expect(driver.keyQuestions.map(\.isRefused) == [false, true, true])
  }

  @Test("403 and the like are not about the key")
  func forbidden() throws {
    let turn = try driver.start(#""hello""#, in: session)
    driver.giveKey()
    var error = refusal
    error.httpStatus = 403
    driver.lose(error)
    #expect(driver.ends[turn]?.error?.httpStatus == 403)
    #expect(driver.keyQuestions.count == 1)
  }

  @Test("an old key's refusal is not said of a newer one")
  func oldKey() throws {
    let other = driver.openSession(route: 2, asksForKey: true)
    try driver.start(#""a""#, in: session)
    driver.giveKey()
    try driver.start(#""b""#, in: other)
    driver.giveKey()
    driver.lose(refusal, driver.connects[0])
    #expect(driver.keyQuestions.map(\.isRefused) == [false, false, false])
  }

  @Test("a key that was given twice is refused as the latest, whichever connection it was for")
  func givenTwice() throws {
    let other = driver.openSession(route: 2, asksForKey: true)
    try driver.start(#""a""#, in: session)
    driver.giveKey()
    try driver.start(#""b""#, in: other)
    driver.giveKey(isSame: true)
    driver.lose(refusal, driver.connects[0])
    #expect(driver.keyQuestions.map(\.isRefused) == [false, false, true])
    // What has passed with it since then was no wrong key.
    machineOpens(driver.connects[1])
    driver.giveKey(ResponsesError(.apiKey, "no key today"))
    try driver.start(#""c""#, in: session)
    #expect(driver.keyQuestions.last?.isRefused == false)
  }

  private func machineOpens(_ connection: Connection) {
    driver.machine.opened(connection, now: driver.now)
  }

  @Test("over HTTP: who is refused while a question is under way that does not know of it waits for the next")
  func refusedMeanwhileOverHTTP() throws {
    let driver = try MachineDriver(transport: .http)
    let one = driver.openSession(route: 2, asksForKey: true)
    let other = driver.openSession(route: 2, asksForKey: true)
    try driver.start(#""a""#, in: one)
    driver.giveKey()
    driver.open()
    try driver.start(#""b""#, in: other)
    driver.receive([Wire.error("invalid_api_key", status: 401)], on: driver.connects[0])
    driver.giveKey(isSame: true)
    #expect(driver.connects.count == 2)
    #expect(driver.keyQuestions.map(\.isRefused) == [false, false, true])
    driver.giveKey()
    #expect(driver.connects.count == 3)
  }

  @Test("a refusal while a question is under way that does not know of it gets a question of its own")
  func refusedMeanwhile() throws {
    let other = driver.openSession(route: 2, asksForKey: true)
    try driver.start(#""a""#, in: session)
    driver.giveKey()
    try driver.start(#""b""#, in: other)
    driver.lose(refusal, driver.connects[0])
    #expect(driver.keyQuestions.map(\.isRefused) == [false, false])
    driver.giveKey()
    #expect(driver.connects.count == 2)
    #expect(driver.keyQuestions.map(\.isRefused) == [false, false, true])
    driver.giveKey()
    #expect(driver.connects.count == 3)
  }

  @Test("sessions that closed meanwhile need no connection")
  func closed() throws {
    try driver.start(#""hello""#, in: session)
    driver.close(session)
    driver.giveKey()
    driver.open()
    driver.advance(nanoseconds: 60_000_000_000)
    #expect(driver.endedRoutes == [RouteID(2)])
  }

  @Test("the connections of an identity end with its last session: who gave the key may be gone")
  func endsWithSessions() throws {
    let one = driver.openSession(route: 5, asksForKey: true, endsWithSessions: true)
    try driver.start(#""hello""#, in: one)
    driver.giveKey(route: 5)
    driver.open()
    driver.close(one)
    #expect(driver.closes.count == 1)
    #expect(driver.endedRoutes == [RouteID(5)])
  }

  @Test("over HTTP: each exchange asks; a refusal is met with another key, even where nothing is sent again")
  func http() throws {
    let driver = try MachineDriver(transport: .http)
    driver.recovery.resendsMax = 0
    let session = driver.openSession(route: 2, asksForKey: true)
    let turn = try driver.start(#""hello""#, in: session)
    driver.giveKey()
    driver.open()
    driver.receive(Wire.error("invalid_api_key", status: 401))
    #expect(driver.keyQuestions.map(\.isRefused) == [false, true])
    #expect(driver.ends[turn] == nil)
    driver.giveKey()
    driver.open()
    driver.answer("r1")
    #expect(driver.ends[turn]?.outcome == .completed)
    #expect(driver.noticed(turn).map { $0["reason"]?.string } == ["key_refused"])
    let next = try driver.start(#""again""#, in: session)
    #expect(driver.keyQuestions.count == 3)
    driver.giveKey()
    driver.open()
    for _ in 0..<2 {
      driver.receive(Wire.error("invalid_api_key", status: 401))
      driver.giveKey()
      driver.open()
    }
    #expect(driver.ends[next]?.error?.httpStatus == 401)
  }

  @Test("what the shell connects by itself waits with the others")
  func callers() throws {
    driver.machine.awaitKey(7, on: RouteID(2), now: driver.now)
    try driver.start(#""hello""#, in: session)
    #expect(driver.keyQuestions.count == 1)
    driver.giveKey()
    #expect(driver.keyAnswers == [7: .ok])
    #expect(driver.connects.count == 1)
  }

  @Test("requests beside the turns ask too, and once more when refused")
  func errands() {
    driver.beginErrand(1, of: session)
    #expect(driver.posts.isEmpty)
    driver.giveKey()
    #expect(driver.posts == [ErrandID(1)])
    #expect(!driver.endErrand(1, refusal))
    #expect(driver.keyQuestions.map(\.isRefused) == [false, true])
    driver.giveKey()
    #expect(driver.posts.count == 2)
    #expect(driver.endErrand(1, refusal))
    driver.beginErrand(2, of: session)
    driver.giveKey(ResponsesError(.apiKey, "none"))
    #expect(driver.failedErrands[ErrandID(2)]?.status == .apiKey)
  }

  @Test("another organisation is told once: it cannot read the reasoning of the one before")
  func organization() throws {
    func turn(_ organization: String) throws -> [String?] {
      let turn = try driver.start(#""hello""#, in: session)
      if driver.keyQuestions.count > driver.connects.count {
        driver.giveKey()
        driver.machine.noteOrganization(organization, of: driver.connects[driver.connects.count - 1])
        driver.open()
      }
      driver.answer("r\(driver.sent.count)")
      return driver.noticed(turn).filter { $0["type"]?.string == "rws.organization" }.map { $0["organization"]?.string }
    }
    #expect(try turn("org-a") == [])
    #expect(try turn("org-a") == [])
    driver.lose()
    #expect(try turn("org-b") == ["org-b"])
    #expect(try turn("org-b") == [])
  }
}

@Suite("Requests beside the turns, made again") struct ErrandTests {
  private let driver: MachineDriver

  init() throws { driver = try MachineDriver() }

  @Test("a lost connection: at once, then after waits, not more often than a turn")
  func lost() {
    driver.beginErrand(1, of: driver.session)
    let cut = ResponsesError(.connectionLost, "cut").with(.unknown)
    for attempt in 0..<4 {
      #expect(!driver.endErrand(1, cut))
      driver.advance(nanoseconds: attempt == 0 ? 0 : 16_000_000_000)
      #expect(driver.posts.count == attempt + 2)
    }
    #expect(driver.endErrand(1, cut))
    #expect(driver.machine.counters.retriedRequestCount == 4)
  }

  @Test("an overloaded server, as retry-after asks; what is told is told")
  func overloaded() {
    driver.beginErrand(1, of: driver.session)
    var busy = ResponsesError(.overloaded, "503").with(.rejected)
    busy.retryAfterMilliseconds = 2_000
    #expect(!driver.endErrand(1, busy))
    driver.advance(nanoseconds: 1_900_000_000)
    #expect(driver.posts.count == 1)
    driver.advance(nanoseconds: 700_000_000)
    #expect(driver.posts.count == 2)
    #expect(driver.endErrand(1, ResponsesError(.api, "400").with(.rejected)))
    driver.beginErrand(2, of: driver.session)
    #expect(driver.endErrand(2, ResponsesError(.connectRefused, "nobody there")))
  }

  @Test("no wait goes beyond the time limit")
  func limited() {
    driver.beginErrand(1, of: driver.session, total: 1_000_000_000)
    var busy = ResponsesError(.overloaded, "503").with(.rejected)
    busy.retryAfterMilliseconds = 2_000
    #expect(driver.endErrand(1, busy))
  }
}
