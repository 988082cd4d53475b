import RWSJSON
import Testing

@testable import RWSProtocol

/// Lanes of one connection: whose events, whose context.
@Suite struct LaneTests {
  private let user = #"[{"role":"user","content":"hi"}]"#

  /// A driver with `count` sessions on one open connection, each with one committed turn `r1`, `r2`, ….
  private func seated(_ count: Int) throws -> (MachineDriver, [SessionID]) {
    let driver = try MachineDriver(lanes: .supported)
    let sessions = [driver.session] + (1..<count).map { _ in driver.openSession() }
    for session in sessions { try driver.start(user, in: session) }
    driver.open()
    for (index, request) in driver.sent.enumerated() { driver.answer(request, "r\(index + 1)") }
    return (driver, sessions)
  }

  @Test("The default lane comes first, then names; all fit the form that the API demands")
  func names() throws {
    let (driver, _) = try seated(3)
    #expect(driver.sent.map(\.lane) == [nil, "lane-1", "lane-2"])
    #expect(driver.connects.count == 1)
  }

  @Test("Interleaved events reach the turn whose lane they name; those without a name the default lane's")
  func interleaved() throws {
    let (driver, sessions) = try seated(3)
    let turns = try sessions.map { try driver.start(user, in: $0) }
    let lanes = turns.map { driver.request($0)?.lane }
    driver.receive(
      lanes.map { Wire.on($0, Wire.created("x")) } + lanes.reversed().map { Wire.on($0, Wire.delta("y")) }
        + lanes.map { Wire.on($0, Wire.completed("z")) })
    for turn in turns {
      #expect(
        driver.events[turn]
          == ["response.created", "response.output_text.delta", "response.completed"])
      #expect(driver.ends[turn]?.outcome == .completed)
    }
  }

  @Test("A session keeps its lane, so that its next turns are deltas, whatever others do")
  func sticky() throws {
    let (driver, sessions) = try seated(4)
    for round in 2...5 {
      for (index, session) in sessions.enumerated() {
        let turn = try driver.start(user, in: session)
        let request = try #require(driver.request(turn))
        #expect(request.previousResponseID == (round == 2 ? "r\(index + 1)" : "s\(round - 1)-\(index)"))
        driver.answer(request, "s\(round)-\(index)")
      }
    }
  }

  @Test("A name that is not ours belongs to the only request in flight, and to none of several")
  func foreignNames() throws {
    let (driver, sessions) = try seated(2)
    let first = try driver.start(user, in: sessions[0])
    driver.receive(Wire.on("vendor", #"{"type":"vendor:thing"}"#))
    #expect(driver.events[first] == ["vendor:thing"])
    let second = try driver.start(user, in: sessions[1])
    driver.receive(Wire.on("lane-99", Wire.completed("r9")), Wire.on("lane-x", Wire.completed("r9")))
    #expect(driver.ends[first] == nil && driver.ends[second] == nil)
  }

  // MARK: Cancel

  @Test("Cancel: the lane is quarantined until its terminal event, neighbours go on, the socket stays")
  func quarantine() throws {
    let (driver, sessions) = try seated(2)
    let cancelled = try driver.start(user, in: sessions[0])
    let neighbour = try driver.start(user, in: sessions[1])
    driver.cancel(cancelled)
    #expect(driver.closes.isEmpty)
    let next = try driver.start(user, in: sessions[0])
    let request = try #require(driver.request(next))
    // At once, on a free lane of the same connection, from the last committed response.
    #expect(request.lane == "lane-2" && request.previousResponseID == "r1")
    driver.receive(Wire.created("late"), Wire.messageDone("late", "late"), Wire.completed("late"))
    #expect(driver.events[next] == nil)
    driver.answer(request, "r3")
    #expect(driver.ends[next]?.outcome == .completed)
    driver.receive(Wire.on("lane-1", Wire.completed("r4")))
    #expect(driver.ends[neighbour]?.outcome == .completed)
    let third = try driver.start(user, in: sessions[0])
    #expect(driver.request(third)?.previousResponseID == "r3")
    #expect(driver.connects.count == 1)
  }

  @Test("A cancelled response that ends before the next turn has evicted the context: full, and it says why")
  func cancelledFirst() throws {
    let (driver, _) = try seated(1)
    let cancelled = try driver.start(user)
    driver.cancel(cancelled)
    driver.receive(Wire.created("late"), Wire.completed("late"))
    let next = try driver.start(user)
    let request = try #require(driver.request(next))
    #expect(request.previousResponseID == nil && request.body["input"]?.elements.count == 3)
    driver.answer(request, "r2")
    #expect(driver.ends[next]?.stats.fullReason == .cancelled)
  }

  @Test("The fork after a cancel comes too late: not found, then in full, once")
  func cancelRace() throws {
    let (driver, _) = try seated(1)
    driver.cancel(try driver.start(user))
    let next = try driver.start(user)
    #expect(driver.request(next)?.previousResponseID == "r1")
    driver.receive(Wire.on("lane-1", Wire.error("previous_response_not_found")))
    let again = try #require(driver.request(next))
    #expect(again.previousResponseID == nil && again.lane == "lane-1")
    driver.answer(again, "r3")
    #expect(driver.ends[next]?.outcome == .completed)
    #expect(driver.ends[next]?.stats.fullReason == .notFound)
  }

  // MARK: Fork

  @Test("Fork barrier: the source sends nothing until the fork's in_progress")
  func forkBarrier() throws {
    let (driver, sessions) = try seated(1)
    let fork = driver.fork(sessions[0])
    let forked = try driver.start(user, in: fork)
    let request = try #require(driver.request(forked))
    #expect(request.lane == "lane-1" && request.previousResponseID == "r1")
    let source = try driver.start(user, in: sessions[0])
    #expect(driver.request(source) == nil)
    driver.receive(Wire.on(request.lane, Wire.created("f1")))
    #expect(driver.request(source) == nil)
    driver.receive(Wire.on(request.lane, Wire.inProgress("f1")))
    #expect(driver.request(source)?.previousResponseID == "r1")
  }

  @Test("Fork barrier: a fork that ends, whatever way, lets the source go on", arguments: [0, 1, 2])
  func forkEnds(_ way: Int) throws {
    let (driver, sessions) = try seated(1)
    let fork = driver.fork(sessions[0])
    let forked = try driver.start(user, in: fork)
    let source = try driver.start(user, in: sessions[0])
    switch way {
    case 0: driver.receive(Wire.on("lane-1", Wire.error("invalid_prompt")))
    case 1: driver.cancel(forked)
    default: driver.close(fork)
    }
    // A failed fork keeps the parent.
    #expect(driver.request(source)?.previousResponseID == "r1")
  }

  @Test("A fork whose source went on first is sent in full")
  func lateFork() throws {
    let (driver, sessions) = try seated(1)
    let fork = driver.fork(sessions[0])
    driver.answer(try #require(driver.request(try driver.start(user, in: sessions[0]))), "r2")
    let turn = try driver.start(user, in: fork)
    let request = try #require(driver.request(turn))
    #expect(request.previousResponseID == nil && request.body["input"]?.elements.count == 3)
  }

  @Test("Several forks of one response at once: each on its own lane, from the same parent")
  func manyForks() throws {
    let (driver, sessions) = try seated(1)
    let turns = try (0..<5).map { _ in try driver.start(user, in: driver.fork(sessions[0])) }
    let requests = turns.compactMap(driver.request)
    #expect(requests.map(\.previousResponseID) == Array(repeating: "r1", count: 5))
    #expect(Set(requests.map(\.lane)).count == 5)
  }

  // MARK: Errors

  @Test("An error on a lane ends its turn alone, and evicts what that lane held")
  func laneError() throws {
    let (driver, sessions) = try seated(2)
    let first = try driver.start(user, in: sessions[0])
    let second = try driver.start(user, in: sessions[1])
    driver.receive(Wire.on("lane-1", Wire.error("invalid_prompt")))
    #expect(driver.ends[first] == nil)
    #expect(driver.ends[second]?.error?.execution == .rejected)
    let next = try driver.start(user, in: sessions[1])
    let request = try #require(driver.request(next))
    #expect(request.previousResponseID == nil && request.lane == "lane-1")
    driver.answer(request, "r9")
    #expect(driver.ends[next]?.stats.fullReason == .failed)
  }

  @Test("A connection that ends takes the turns of all its lanes with it, each with its own execution")
  func lost() throws {
    let (driver, sessions) = try seated(3)
    let turns = try sessions.map { try driver.start(user, in: $0) }
    driver.receive(Wire.on("lane-1", Wire.itemAdded), Wire.on("lane-2", Wire.delta("x")))
    driver.lose()
    #expect(turns.map { driver.ends[$0]?.error?.execution } == [.unknown, .started, .outputSeen])
    let next = try driver.start(user, in: sessions[2])
    driver.open()
    driver.answer(try #require(driver.request(next)), "y")
    #expect(driver.ends[next]?.stats.fullReason == .reconnected)
  }

  @Test("Age limit with lanes in flight: what has begun runs on, the rest moves to a new connection")
  func ageLimit() throws {
    let (driver, sessions) = try seated(3)
    let begun = try driver.start(user, in: sessions[1])
    driver.receive(Wire.on("lane-1", Wire.created("x")))
    let fresh = try driver.start(user, in: sessions[2])
    driver.receive(Wire.error("websocket_connection_limit_reached"))
    #expect(driver.ends[begun] == nil && driver.connects.count == 2)
    driver.open()
    #expect(driver.request(fresh)?.connection === driver.connects[1])
    driver.receive(Wire.on("lane-1", Wire.completed("x")), on: driver.connects[0])
    #expect(driver.ends[begun]?.outcome == .completed)
    #expect(driver.closes.map(\.id) == [driver.connects[0].id])
    driver.answer(try #require(driver.request(fresh)), "y")
    #expect(driver.events[fresh]?.first == "rws.resent")
    #expect(driver.ends[fresh]?.outcome == .completed)
  }

  // MARK: Slow readers

  @Test("A full queue stops the reading as soon as a neighbour's cancelled response has ended")
  func slowBesideCancelled() throws {
    let (driver, sessions) = try seated(2)
    let slow = try driver.start(user, in: sessions[0])
    driver.receive(Wire.created("x"))
    driver.cancel(try driver.start(user, in: sessions[1]))
    driver.setUnread(true, slow)
    #expect(driver.pauses.isEmpty)
    driver.receive(Wire.on("lane-1", Wire.completed("y")))
    #expect(driver.pauses == [true])
  }

  @Test("A full queue stops the reading only while nobody else's events come over the connection")
  func slowReader() throws {
    let (driver, sessions) = try seated(2)
    let slow = try driver.start(user, in: sessions[0])
    driver.receive(Wire.created("x"))
    driver.setUnread(true, slow)
    #expect(driver.pauses == [true])
    let other = try driver.start(user, in: sessions[1])
    #expect(driver.pauses == [true, false])
    driver.receive(Wire.on("lane-1", Wire.completed("y")))
    #expect(driver.ends[other]?.outcome == .completed && driver.pauses == [true, false, true])
    driver.setUnread(false, slow)
    #expect(driver.pauses == [true, false, true, false])
  }

  @Test("who takes an idle session's place gets no lane name that is known to be refused")
  func refusedNameIsNotReused() throws {
    var limits = PoolLimits()
    limits.connectionsMax = 3
    let driver = try MachineDriver(limits: limits)
    try driver.start(#""a""#)
    let probing = try driver.start(#""b""#, in: driver.openSession())
    driver.connect(driver.openSession())
    driver.open()
    let request = try #require(driver.request(probing))
    #expect(request.lane != nil)
    driver.receive(
      [#"{"type":"error","status":400,"error":{"code":"unknown_parameter","param":"stream_id","message":"no"}}"#],
      on: request.connection)
    #expect(driver.request(probing)?.lane == nil)
    let turn = try driver.start(#""c""#, in: driver.openSession())
    let third = try #require(driver.request(turn))
    #expect(third.connection === driver.connects[2])
    #expect(third.lane == nil)
  }
}
