import RWSJSON
import Testing

@testable import RWSProtocol

/// protocol.md, Lanes: Steer.
@Suite struct SteeringTests {
  private let user = #"[{"role":"user","content":"hi"}]"#

  /// A turn whose response `r1` runs.
  private func running() throws -> (MachineDriver, TurnID) {
    let driver = try MachineDriver(lanes: .supported)
    let turn = try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r1"))
    return (driver, turn)
  }

  /// What the session would replay now, as the texts of its messages.
  private func texts(_ driver: MachineDriver) throws -> [String] {
    let body = driver.machine.fullBody(driver.session, input: TurnInput())
    return (try JSONValue(parsing: body)["input"]?.elements ?? []).map {
      $0["content"]?.string ?? $0["content"]?.elements.first?["text"]?.string ?? ""
    }
  }

  @Test("The event names the response and holds nothing else; before the id is known it waits")
  func event() throws {
    let driver = try MachineDriver(lanes: .supported)
    let turn = try driver.start(user)
    driver.open()
    let steer = try driver.steer(turn, "left")
    #expect(driver.steersSent.isEmpty)
    driver.receive(Wire.created("r1"))
    let body = try #require(driver.steersSent.first?.body)
    #expect(Set(body.members.map(\.key)) == ["type", "previous_response_id", "input"])
    #expect(body["type"]?.string == "response.steer" && body["previous_response_id"]?.string == "r1")
    #expect(body["input"]?.elements.count == 1 && driver.steers[steer] == [.sent])
  }

  @Test("Applied: the turn ends steered, its successor is a new turn of the session, the input its head")
  func applied() throws {
    let (driver, turn) = try running()
    let steer = try driver.steer(turn, "left", responseID: "r1")
    driver.receive(Wire.steer("accepted", "s1", "r1"), Wire.messageDone("r1", "one"), Wire.steered("r1"))
    #expect(driver.ends[turn]?.outcome == .incomplete)
    // Nothing may be sent while a successor is due.
    let queued = try driver.start(user)
    #expect(driver.request(queued) == nil)
    driver.receive(Wire.created("r2"))
    let successor = try #require(driver.successors[turn])
    #expect(driver.steers[steer] == [.sent, .accepted, .committed])
    driver.receive(Wire.messageDone("r2", "two"), Wire.completed("r2"))
    #expect(driver.ends[successor]?.outcome == .completed)
    #expect(
      driver.events[successor] == ["response.created", "response.output_item.done", "response.completed"])
    #expect(driver.request(queued)?.previousResponseID == "r2")
    #expect(try texts(driver) == ["hi", "one", "left", "two"])
  }

  @Test("A normal completion can be followed by a successor too; several steers come in their order")
  func afterCompletion() throws {
    let (driver, turn) = try running()
    try driver.steer(turn, "first", responseID: "r1")
    try driver.steer(turn, "second")
    driver.receive(
      Wire.steer("accepted", "s1", "r1"), Wire.steer("accepted", "s2", "r1"),
      Wire.messageDone("r1", "one"), Wire.completed("r1"), Wire.created("r2"),
      Wire.messageDone("r2", "two"), Wire.completed("r2"))
    #expect(driver.successors.count == 1)
    #expect(try texts(driver) == ["hi", "one", "first", "second", "two"])
  }

  @Test("Pending: the session goes on, and its next request has the steer at its head")
  func pending() throws {
    let (driver, turn) = try running()
    let steer = try driver.steer(turn, "left", responseID: "r1")
    driver.receive(
      Wire.steer("accepted", "s1", "r1"), Wire.callDone("c1"), Wire.completed("r1"),
      Wire.steer("pending", "s1", "r1"))
    #expect(driver.steers[steer] == [.sent, .accepted, .pending] && driver.successors.isEmpty)
    let next = try driver.start(#"[{"type":"function_call_output","call_id":"c1","output":"x"}]"#)
    let request = try #require(driver.request(next))
    #expect(request.previousResponseID == "r1" && request.body["input"]?.elements.count == 1)
    driver.answer(request, "r2")
    #expect(driver.steers[steer]?.last == .committed)
    let body = try JSONValue(parsing: driver.machine.fullBody(driver.session, input: TurnInput()))
    let types = body["input"]?.elements.map { $0["type"]?.string ?? "" }
    #expect(types == ["", "function_call", "message", "function_call_output", "message"])
  }

  @Test("Failed: the input is returned, before or after it was accepted, and the session goes on")
  func failed() throws {
    let (driver, turn) = try running()
    let first = try driver.steer(turn, "first", responseID: "r1")
    let second = try driver.steer(turn, "second")
    driver.receive(
      Wire.steerFailed(nil, "r1", code: "steering_not_supported"), Wire.steer("accepted", "s2", "r1"),
      Wire.messageDone("r1", "one"), Wire.completed("r1"))
    guard case .returned(let error)? = driver.steers[first]?.last else {
      Issue.record("not returned")
      return
    }
    #expect(error.code == "steering_not_supported")
    let next = try driver.start(user)
    #expect(driver.request(next) == nil)
    driver.receive(Wire.steerFailed("s2", "r1", code: "successor_creation_failed"))
    guard case .returned? = driver.steers[second]?.last else {
      Issue.record("not returned")
      return
    }
    #expect(driver.request(next)?.previousResponseID == "r1")
    #expect(try texts(driver) == ["hi", "one"])
  }

  @Test("A lost connection leaves the outcome unknown, whether the turn runs or a successor is due", arguments: [false, true])
  func lost(_ isDue: Bool) throws {
    let (driver, turn) = try running()
    let steer = try driver.steer(turn, "left", responseID: "r1")
    driver.receive(Wire.steer("accepted", "s1", "r1"))
    if isDue { driver.receive(Wire.messageDone("r1", "one"), Wire.steered("r1")) }
    driver.lose()
    guard case .unknown(let error)? = driver.steers[steer]?.last else {
      Issue.record("not unknown")
      return
    }
    #expect(error.execution == .unknown)
    let next = try driver.start(user)
    driver.open()
    #expect(driver.request(next) != nil)
  }

  @Test("A successor that never comes does not hold the session for ever")
  func noSuccessor() throws {
    let driver = try MachineDriver(lanes: .supported)
    let turn = try driver.start(user, limits: TurnLimits(firstEvent: 10))
    driver.open()
    driver.receive(Wire.created("r1"))
    let steer = try driver.steer(turn, "left", responseID: "r1")
    driver.receive(Wire.steer("accepted", "s1", "r1"), Wire.steered("r1"))
    let next = try driver.start(user)
    #expect(driver.request(next) == nil)
    driver.advance(nanoseconds: 10)
    guard case .unknown? = driver.steers[steer]?.last else {
      Issue.record("not unknown")
      return
    }
    // Elsewhere: a late successor must not answer it.
    #expect(driver.request(next)?.lane == "lane-1")
  }

  @Test("Steering a turn that has ended, or that ends before its id is known, is told")
  func tooLate() throws {
    let (driver, turn) = try running()
    driver.receive(Wire.completed("r1"))
    let late = try driver.steer(turn, "left")
    let second = try driver.start(user)
    let early = try driver.steer(second, "left")
    driver.receive(Wire.failed("r2", code: "invalid_prompt"))
    for steer in [late, early] {
      guard case .returned? = driver.steers[steer]?.last else {
        Issue.record("not returned")
        continue
      }
    }
  }

  @Test("Still unanswered when the successor begins: sent too late, and it may come back")
  func tooLateForSuccessor() throws {
    let (driver, turn) = try running()
    let first = try driver.steer(turn, "first", responseID: "r1")
    driver.receive(Wire.steer("accepted", "s1", "r1"))
    let second = try driver.steer(turn, "second")
    driver.receive(Wire.messageDone("r1", "one"), Wire.steered("r1"), Wire.created("r2"))
    #expect(driver.steers[first]?.last == .committed && driver.steers[second]?.last == .sent)
    driver.receive(
      Wire.steerFailed(nil, "r1", code: "response_already_completed"), Wire.messageDone("r2", "two"),
      Wire.completed("r2"))
    #expect(isReturned(driver, second))
    #expect(try texts(driver) == ["hi", "one", "first", "two"])
  }

  @Test("A failure names no lane when the response has ended: it is found by the response")
  func failureWithoutLane() throws {
    let driver = try MachineDriver(lanes: .supported)
    let other = driver.openSession()
    // On the default lane, and on another.
    let turns = [try driver.start(user), try driver.start(user, in: other)]
    driver.open()
    driver.receive(Wire.created("r1"), Wire.on("lane-1", Wire.created("r2")))
    let steers = try zip(turns, ["r1", "r2"]).map { try driver.steer($0, "left", responseID: $1) }
    driver.receive(
      Wire.on("lane-1", Wire.completed("r2")),
      Wire.steerFailed(nil, "r2", code: "response_already_completed"))
    #expect(driver.steers[steers[0]] == [.sent])
    #expect(isReturned(driver, steers[1]))
    let next = try driver.start(user, in: other)
    #expect(driver.request(next)?.previousResponseID == "r2")
  }

  @Test("Cancelled after an accepted steer: nothing is sent on the lane until the successor has ended")
  func cancelledWithSuccessor() throws {
    let (driver, turn) = try running()
    let steer = try driver.steer(turn, "left", responseID: "r1")
    driver.receive(Wire.steer("accepted", "s1", "r1"))
    driver.cancel(turn)
    driver.receive(Wire.steered("r1"))
    let next = try driver.start(user)
    #expect(driver.request(next)?.lane == "lane-1")
    driver.receive(Wire.created("r2"), Wire.messageDone("r2", "late"), Wire.completed("r2"))
    driver.answer(try #require(driver.request(next)), "r3")
    #expect(try texts(driver) == ["hi", "hello"])
    let third = try driver.start(user, in: driver.openSession())
    #expect(driver.request(third)?.lane == nil)
    guard case .unknown? = driver.steers[steer]?.last else {
      Issue.record("not unknown")
      return
    }
  }

  /// Seed 308,969 of the simulation: the lane stayed out of use for ever.
  @Test(
    "Closing a session whose successor is due settles its steers, and keeps the lane out of use until it has ended",
    arguments: [[Wire.created("r2"), Wire.completed("r2")], [Wire.failed("r2", code: "server_error")]])
  func closedWhileDue(successor: [String]) throws {
    let (driver, turn) = try running()
    let steer = try driver.steer(turn, "left", responseID: "r1")
    driver.receive(Wire.steer("accepted", "s1", "r1"), Wire.steered("r1"))
    driver.close()
    #expect(driver.steers[steer]?.last?.isSettled == true)
    let other = try driver.start(user, in: driver.openSession())
    #expect(driver.request(other)?.lane == "lane-1")
    driver.receive(successor)
    let third = try driver.start(user, in: driver.openSession())
    #expect(driver.request(third)?.lane == nil)
  }

  /// The response `r1` has ended with a call; its steer `s1` is pending.
  private func pendingSteer(_ settings: String) throws -> (MachineDriver, SteerID) {
    var limits = PoolLimits()
    limits.connectionsMax = 1
    let driver = try MachineDriver(settings: settings, lanes: .unsupported, limits: limits)
    let turn = try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r1"))
    let steer = try driver.steer(turn, "left", responseID: "r1")
    driver.receive(
      Wire.steer("accepted", "s1", "r1"), Wire.callDone("c1"), Wire.completed("r1"),
      Wire.steer("pending", "s1", "r1"))
    return (driver, steer)
  }

  @Test("Closing a session settles the steers that wait for its tool outputs")
  func closedWhilePending() throws {
    let (driver, steer) = try pendingSteer(#"{"model":"m","store":false}"#)
    driver.close()
    #expect(driver.steers[steer]?.last?.isSettled == true)
  }

  @Test("A pending steer whose lane goes on without it fails: it is returned, not committed")
  func failedWhilePending() throws {
    let (driver, steer) = try pendingSteer(#"{"model":"m","store":true}"#)
    driver.answer(
      try #require(driver.request(try driver.start(user, in: driver.openSession()))), "r2")
    driver.receive(Wire.steerFailed("s1", "r1", code: "successor_creation_failed"))
    #expect(isReturned(driver, steer))
  }

  @Test("An answer that never comes loses its own steer, not one that is pending")
  func pendingBesideLost() throws {
    let driver = try MachineDriver(settings: #"{"model":"m","store":true}"#, lanes: .supported)
    let turn = try driver.start(user, limits: TurnLimits(firstEvent: 10))
    driver.open()
    driver.receive(Wire.created("r1"))
    let pending = try driver.steer(turn, "left", responseID: "r1")
    let lost = try driver.steer(turn, "right")
    driver.receive(
      Wire.steer("accepted", "s1", "r1"), Wire.callDone("c1"), Wire.completed("r1"),
      Wire.steer("pending", "s1", "r1"))
    driver.advance(nanoseconds: 10)
    #expect(driver.steers[lost]?.last?.isSettled == true && driver.steers[pending]?.last == .pending)
    // The lane is free again.
    driver.receive(Wire.steerFailed(nil, "r1", code: "response_already_completed"))
    let next = try driver.start(#"[{"type":"function_call_output","call_id":"c1","output":"x"}]"#)
    driver.answer(try #require(driver.request(next)), "r2")
    #expect(driver.request(next)?.lane == nil && driver.steers[pending]?.last == .committed)
    let body = try JSONValue(parsing: driver.machine.fullBody(driver.session, input: TurnInput()))
    let types = body["input"]?.elements.map { $0["type"]?.string ?? "" }
    #expect(types == ["", "function_call", "message", "function_call_output", "message"])
  }

  @Test(
    "A connection that is left in peace gives way at once: its last session's successor is late, or the session closes",
    arguments: [false, true])
  func awaitedGivesWay(isClosed: Bool) throws {
    var limits = PoolLimits()
    limits.connectionsMax = 1
    let driver = try MachineDriver(lanes: .supported, limits: limits)
    let turn = try driver.start(user, limits: TurnLimits(firstEvent: 10))
    driver.open()
    driver.receive(Wire.created("r1"))
    try driver.steer(turn, "left", responseID: "r1")
    driver.receive(
      Wire.error("websocket_connection_limit_reached"), Wire.steer("accepted", "s1", "r1"), Wire.completed("r1"))
    let other = try driver.start(user, in: driver.openSession())
    #expect(driver.connects.count == 1)
    if isClosed { driver.close() } else { driver.advance(nanoseconds: 10) }
    driver.open()
    #expect(driver.request(other)?.connection === driver.connects.last && driver.connects.count == 2)
  }

  @Test("A lane that a steer's late failure frees still holds its response: the next turn is a delta there")
  func freedByLateFailure() throws {
    let driver = try MachineDriver(lanes: .supported)
    let turn = try driver.start(user, limits: TurnLimits(firstEvent: 10))
    driver.open()
    driver.receive(Wire.created("r1"))
    try driver.steer(turn, "left", responseID: "r1")
    driver.receive(Wire.completed("r1"))
    driver.advance(nanoseconds: 10)
    driver.receive(Wire.steerFailed(nil, "r1", code: "response_already_completed"))
    let request = try #require(driver.request(try driver.start(user)))
    #expect(request.lane == nil && request.previousResponseID == "r1")
  }

  @Test("A pending steer told to be unknown, for its session went on elsewhere, does not come back by a delta on its lane")
  func pendingToldUnknown() throws {
    let driver = try MachineDriver(settings: #"{"model":"m","store":true}"#, lanes: .supported)
    let turn = try driver.start(user, limits: TurnLimits(firstEvent: 10))
    driver.open()
    driver.receive(Wire.created("r1"))
    let steer = try driver.steer(turn, "left", responseID: "r1")
    try driver.steer(turn, "right")
    driver.receive(
      Wire.steer("accepted", "s1", "r1"), Wire.callDone("c1"), Wire.completed("r1"),
      Wire.steer("pending", "s1", "r1"))
    driver.advance(nanoseconds: 10)
    let outputs = #"[{"type":"function_call_output","call_id":"c1","output":"x"}]"#
    let elsewhere = try driver.start(outputs)
    #expect(driver.request(elsewhere)?.lane == "lane-1" && driver.request(elsewhere)?.previousResponseID == "r1")
    guard case .unknown? = driver.steers[steer]?.last else {
      Issue.record("not unknown")
      return
    }
    driver.cancel(elsewhere)
    driver.receive(Wire.steerFailed(nil, "r1", code: "response_already_completed"))
    let request = try #require(driver.request(try driver.start(outputs)))
    #expect(request.lane == nil && request.previousResponseID == nil)
  }

  /// Seed 680,833 of the simulation.
  @Test("… nor after a request of another session on its lane was refused", arguments: [false, true])
  func pendingToldUnknownBesideRefused(isCancelled: Bool) throws {
    let driver = try MachineDriver(settings: #"{"model":"m","store":true}"#, lanes: .supported)
    let turn = try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r1"))
    let steer = try driver.steer(turn, "left", responseID: "r1")
    driver.receive(
      Wire.steer("accepted", "s1", "r1"), Wire.callDone("c1"), Wire.completed("r1"), Wire.steer("pending", "s1", "r1"))
    let outputs = #"[{"type":"function_call_output","call_id":"c1","output":"x"}]"#
    let elsewhere = try driver.start(outputs, transport: .http)
    let visitor = driver.openSession()
    let refused = try driver.start(user, in: visitor)
    #expect(driver.request(refused)?.lane == nil)
    if isCancelled { driver.cancel(refused) }
    driver.receive(Wire.error("invalid_prompt"), on: driver.connects[0])
    driver.close(visitor)
    driver.open()
    guard case .unknown? = driver.steers[steer]?.last else {
      Issue.record("not unknown")
      return
    }
    driver.cancel(elsewhere)
    let request = try #require(driver.request(try driver.start(outputs)))
    #expect(request.lane == nil && request.connection === driver.connects[0])
    #expect(request.previousResponseID == nil)
  }

  @Test("A fork in its source's place does not take the source's pending steers along: it is sent in full")
  func forkBesidePending() throws {
    let (driver, steer) = try pendingSteer(#"{"model":"m","store":true}"#)
    let fork = driver.fork(driver.session)
    let turn = try driver.start(#"[{"type":"function_call_output","call_id":"c1","output":"x"}]"#, in: fork)
    let request = try #require(driver.request(turn))
    #expect(request.previousResponseID == nil && request.lane == nil)
    driver.answer(request, "r2")
    #expect(driver.steers[steer]?.last == .pending)
  }

  @Test("A pending steer is committed though another session had the lane meanwhile, but sent nothing")
  func pendingAfterVisitor() throws {
    let (driver, steer) = try pendingSteer(#"{"model":"m","store":true}"#)
    let visitor = driver.openSession()
    driver.connect(visitor)
    let next = try driver.start(#"[{"type":"function_call_output","call_id":"c1","output":"x"}]"#)
    driver.answer(try #require(driver.request(next)), "r2")
    #expect(driver.steers[steer]?.last == .committed)
  }

  @Test("Of a server without lanes it is the same lane, whatever name the session had there before that was known")
  func pendingUnderAnotherName() throws {
    var limits = PoolLimits()
    limits.connectionsMax = 2
    let driver = try MachineDriver(settings: #"{"model":"m","store":true}"#, lanes: .unknown, limits: limits)
    try driver.start(user, in: driver.openSession())
    let turn = try driver.start(user)
    driver.open()
    let named = try #require(driver.request(turn))
    #expect(named.lane == "lane-1")
    driver.receive(Wire.created("r1"), on: named.connection)
    let steer = try driver.steer(turn, "left", responseID: "r1")
    driver.receive(
      Wire.steer("accepted", "s1", "r1"), Wire.callDone("c1"), Wire.completed("r1"), Wire.steer("pending", "s1", "r1"),
      on: named.connection)
    // Takes the place, and the session takes it back.
    driver.connect(driver.openSession())
    let next = try driver.start(#"[{"type":"function_call_output","call_id":"c1","output":"x"}]"#)
    let nameless = try #require(driver.request(next))
    #expect(nameless.lane == nil && nameless.connection === named.connection && nameless.previousResponseID == "r1")
    driver.answer(nameless, "r2")
    #expect(driver.steers[steer]?.last == .committed)
  }

  @Test("A failure about a response that nobody waits for does not touch another lane")
  func failureOfNobody() throws {
    let (driver, turn) = try running()
    let other = try driver.start(user, in: driver.openSession())
    driver.receive(Wire.on("lane-1", Wire.created("r2")))
    try driver.steer(other, "right", responseID: "r2")
    driver.receive(Wire.on("lane-1", Wire.failed("r2", code: "server_error")))
    let steer = try driver.steer(turn, "left", responseID: "r1")
    driver.receive(Wire.steerFailed(nil, "r2", code: "response_already_completed"))
    #expect(driver.steers[steer] == [.sent])
  }

  @Test("A pending steer is not committed by a request to a lane that another response has taken")
  func pendingElsewhere() throws {
    let (driver, steer) = try pendingSteer(#"{"model":"m","store":true}"#)
    driver.answer(
      try #require(driver.request(try driver.start(user, in: driver.openSession()))), "r2")
    let next = try driver.start(#"[{"type":"function_call_output","call_id":"c1","output":"x"}]"#)
    #expect(driver.request(next)?.previousResponseID == "r1")
    guard case .unknown? = driver.steers[steer]?.last else {
      Issue.record("not unknown")
      return
    }
  }

  @Test("The age limit met while a successor is due: it still comes, and the connection ends after it")
  func limitWhileDue() throws {
    let (driver, turn) = try running()
    let steer = try driver.steer(turn, "left", responseID: "r1")
    driver.receive(
      Wire.steer("accepted", "s1", "r1"), Wire.steered("r1"),
      Wire.error("websocket_connection_limit_reached"), Wire.created("r2"))
    #expect(driver.steers[steer]?.last == .committed && driver.closes.isEmpty)
    driver.receive(Wire.messageDone("r2", "two"), Wire.completed("r2"))
    #expect(driver.ends[try #require(driver.successors[turn])]?.outcome == .completed)
    #expect(driver.closes.count == 1)
  }

  private func isReturned(_ driver: MachineDriver, _ steer: SteerID) -> Bool {
    if case .returned? = driver.steers[steer]?.last { true } else { false }
  }
}
