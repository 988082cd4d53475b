import Testing

@testable import RWSProtocol

@Suite("A stored response whose connection was lost") struct LookingUpTests {
  private let driver: MachineDriver

  init() throws {
    driver = try MachineDriver(settings: #"{"model":"m","store":true}"#)
  }

  /// A turn whose connection is lost after some output.
  private func lostTurn() throws -> TurnID {
    let turn = try driver.start(#""hello""#)
    driver.open()
    driver.receive(Wire.created("resp_1"), Wire.itemAdded, Wire.delta("hel"))
    driver.lose()
    return turn
  }

  private func response(_ status: String) -> String {
    #"{"id":"resp_1","object":"response","status":"\#(status)","output":[\#(Wire.message("resp_1", "hello"))]}"#
  }

  @Test("it has ended: the turn ends with it, and the next one goes on from it by its id")
  func ended() throws {
    let turn = try lostTurn()
    #expect(driver.ends[turn] == nil)
    #expect(driver.lookups.map(\.responseID) == ["resp_1"])
    driver.lookedUp(response("completed"))
    #expect(driver.ends[turn]?.outcome == .completed)
    #expect(driver.noticed(turn).map { $0["type"]?.string } == ["rws.recovered"])
    #expect(driver.noticed(turn).first?["response"]?["id"]?.string == "resp_1")
    #expect(driver.events[turn]?.contains("response.completed") == false)
    #expect(driver.machine.counters.recoveryCount == 1)
    let next = try driver.start(#""more""#)
    driver.open()
    #expect(driver.request(next)?.previousResponseID == "resp_1")
  }

  @Test("it runs: asked again after pauses, until it has ended")
  func running() throws {
    let turn = try lostTurn()
    for polls in 1...5 {
      driver.lookedUp(response("in_progress"))
      driver.advance(nanoseconds: 4_000_000_000)
      #expect(driver.lookups.count == polls + 1)
    }
    driver.lookedUp(response("incomplete"))
    #expect(driver.ends[turn]?.outcome == .incomplete)
  }

  @Test("the turn's time limit ends the search with the connection's error")
  func timeLimit() throws {
    let turn = try driver.start(#""hello""#, limits: TurnLimits(firstEvent: nil, eventGap: nil, total: 10_000_000_000))
    driver.open()
    driver.receive(Wire.created("resp_1"), Wire.itemAdded, Wire.delta("hel"))
    driver.lose()
    driver.lookedUp(response("queued"))
    driver.advance(nanoseconds: 10_000_000_000)
    #expect(driver.ends[turn]?.error?.status == .connectionLost)
    #expect(driver.ends[turn]?.error?.execution == .outputSeen)
  }

  @Test("not found, no response, or another end: the connection's error")
  func unknown() throws {
    for answer in [nil, "{}", response("cancelled"), "no JSON"] {
      let driver = try MachineDriver(settings: #"{"model":"m","store":true}"#)
      let turn = try driver.start(#""hello""#)
      driver.open()
      driver.receive(Wire.created("resp_1"), Wire.itemAdded, Wire.delta("hel"))
      driver.lose()
      driver.lookedUp(answer)
      #expect(driver.ends[turn]?.error?.status == .connectionLost)
      #expect(driver.machine.counters.recoveryCount == 0)
    }
  }

  @Test("it failed: the turn fails with its error")
  func failed() throws {
    let turn = try lostTurn()
    driver.lookedUp(#"{"id":"resp_1","status":"failed","error":{"code":"server_error","message":"no"},"output":[]}"#)
    #expect(driver.ends[turn]?.error?.code == "server_error")
  }

  @Test("a cancelled turn is not looked for any more")
  func cancelled() throws {
    let turn = try lostTurn()
    driver.cancel(turn)
    #expect(driver.ends[turn]?.outcome == .cancelled)
    driver.lookedUp(response("completed"))
    #expect(driver.noticed(turn).isEmpty)
  }

  @Test("nothing is looked for that is not stored, was not created, or has no id that a path may hold")
  func nothing() throws {
    for (settings, events) in [
      (#"{"model":"m","store":false}"#, [Wire.created("resp_1"), Wire.itemAdded, Wire.delta("x")]),
      (#"{"model":"m"}"#, []), (#"{"model":"m"}"#, [Wire.created("../v1/files"), Wire.itemAdded, Wire.delta("x")]),
    ] {
      let driver = try MachineDriver(settings: settings)
      let turn = try driver.start(#""hello""#)
      driver.open()
      driver.receive(events)
      driver.lose()
      #expect(driver.lookups.isEmpty)
      #expect(driver.ends[turn]?.error?.status == .connectionLost)
    }
  }

  @Test("the result is that of the response, whatever of it had been seen")
  func result() throws {
    var assembly = TurnAssembly()
    let batch = EventBatch(capacity: 1024)
    for event in [
      Wire.created("resp_1"), Wire.itemAdded, Wire.delta("hel"),
      #"{"type":"rws.recovered","reason":"x","response":\#(response("completed"))}"#,
    ] {
      try Array(event.utf8).withUnsafeBytes { text in
        var fields = try EventScanner.scan(text)
        if event.hasPrefix(#"{"type":"rws"#) { fields.kind = .notice }
        batch.append(text, fields)
      }
    }
    assembly.apply(batch)
    #expect(String(decoding: assembly.text, as: UTF8.self) == "hello")
    #expect(assembly.itemCount == 1)
    #expect(assembly.responseID == "resp_1")
  }
}
