import RWSJSON
import Testing

@testable import RWSProtocol

/// protocol: a call whose output is not there cannot be continued, nor replayed.
@Suite struct AbandonedCallsTests {
  let user = #"[{"role":"user","content":"hi"}]"#

  /// A turn answered with these items.
  private func driver(_ items: [String], settings: String = #"{"model":"m","store":false}"#) throws
    -> MachineDriver
  {
    let driver = try MachineDriver(settings: settings)
    try driver.start(user)
    driver.open()
    driver.receive([Wire.created("r1")] + items.enumerated().map { Wire.itemDone($1, at: $0) }
      + [Wire.completed("r1")])
    return driver
  }

  private func input(_ request: MachineDriver.Sent?) -> [String] {
    (request?.body["input"]?.elements ?? []).map { item in
      item["call_id"]?.string ?? item["id"]?.string ?? item["content"]?.string ?? "?"
    }
  }

  @Test("calls given up leave the history, and the reasoning before them; the rest is sent in full")
  func abandoned() throws {
    let driver = try driver([
      Wire.message("m", "so"), Wire.reasoning("1"), Wire.reasoning("2"), Wire.call("c1"),
    ])
    let turn = try driver.start(#""go on""#, isStrict: true, isAbandoningCalls: true)
    let request = try #require(driver.request(turn))
    #expect(request.previousResponseID == nil)
    #expect(input(request) == ["hi", "msg_m", "go on"])
    driver.answer("r2")
    #expect(driver.ends[turn]?.stats.fullReason == .callsAbandoned)
    #expect(driver.ends[turn]?.stats.fullReason?.description == "calls_abandoned")
    let next = try driver.start(#""and""#)
    #expect(driver.request(next)?.previousResponseID == "r2")
    // Nor do they come back.
    driver.receive(Wire.error("previous_response_not_found"))
    #expect(input(driver.request(next)) == ["hi", "msg_m", "go on", "msg_r2", "and"])
  }

  @Test("without the option the turn fails, and names them")
  func notAsked() throws {
    let driver = try driver([Wire.call("c1")])
    let turn = try driver.start(#""go on""#)
    let error = try #require(driver.ends[turn]?.error)
    #expect(error.status == .missingOutput && error.message.contains("c1"))
  }

  @Test("calls that are answered stay, with the reasoning that led to them too")
  func answeredOnesStay() throws {
    let driver = try driver([
      Wire.reasoning("1"), Wire.call("c1"), Wire.call("c2"), Wire.reasoning("2"), Wire.call("c3"),
    ])
    let turn = try driver.start(
      #"[{"type":"function_call_output","call_id":"c2","output":"done"}]"#, isAbandoningCalls: true)
    #expect(input(driver.request(turn)) == ["hi", "rs_1", "c2", "c2"])
  }

  @Test("a turn that answers all calls is a delta, whatever the option says")
  func nothingToAbandon() throws {
    let driver = try driver([Wire.call("c1")])
    let turn = try driver.start(
      #"[{"type":"function_call_output","call_id":"c1","output":"done"}]"#, isAbandoningCalls: true)
    #expect(driver.request(turn)?.previousResponseID == "r1")
  }

  @Test("if the turn fails, the calls are as open as before")
  func failedTurn() throws {
    let driver = try driver([Wire.call("c1")])
    try driver.start(#""go on""#, isAbandoningCalls: true)
    driver.receive(Wire.failed("r2", code: "invalid_prompt"))
    let answering = try driver.start(
      #"[{"type":"function_call_output","call_id":"c1","output":"done"}]"#)
    #expect(input(driver.request(answering)) == ["hi", "c1", "c1"])
  }

  @Test("a caller's own history may keep them: they are known, and stay unsent")
  func wholeHistory() throws {
    let driver = try MachineDriver()
    try driver.start(history: user)
    driver.open()
    driver.receive(Wire.created("r1"), Wire.callDone("c1"), Wire.completed("r1"))
    let question = #"{"role":"user","content":"hi"}"#
    let call = Wire.call("c1")
    let go = #"{"role":"user","content":"go on"}"#
    let turn = try driver.start(history: "[\(question), \(call), \(go)]", isAbandoningCalls: true)
    #expect(input(driver.request(turn)) == ["hi", "go on"])
    driver.answer("r2")
    #expect(driver.ends[turn]?.stats.fullReason == .callsAbandoned)
    let answer = Wire.message("r2", "hello")
    let next = try driver.start(history: "[\(question), \(call), \(go), \(answer), \(go)]")
    #expect(driver.request(next)?.previousResponseID == "r2")
    #expect(input(driver.request(next)) == ["go on"])
    driver.receive(Wire.error("previous_response_not_found"))
    #expect(input(driver.request(next)) == ["hi", "go on", "msg_r2", "go on"])
  }

  @Test("a fork made before gives up nothing")
  func fork() throws {
    let driver = try driver([Wire.call("c1")])
    let fork = driver.fork(driver.session)
    let turn = try driver.start(#""go on""#, isAbandoningCalls: true)
    driver.answer("r2")
    #expect(driver.ends[turn]?.outcome == .completed)
    let forked = try driver.start(#""go on""#, in: fork)
    #expect(driver.ends[forked]?.error?.status == .missingOutput)
  }
}
