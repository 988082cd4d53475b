import RWSJSON
import Testing

@testable import RWSProtocol

@Suite struct TurnRulesTests {
  private let user = #"[{"role":"user","content":"hi"}]"#

  @Test("The first turn connects, sends the input without an id, and ends with its terminal event")
  func firstTurn() throws {
    let driver = try MachineDriver()
    let turn = try driver.start(user)
    #expect(driver.connects.count == 1 && driver.sent.isEmpty)
    driver.open()
    let body = try #require(driver.sent.first?.body)
    #expect(body["type"]?.string == "response.create")
    #expect(body["model"]?.string == "m")
    #expect(body["previous_response_id"] == nil && body["generate"] == nil)
    #expect(body["input"]?.elements.count == 1)
    driver.answer("r1")
    #expect(driver.ends[turn]?.outcome == .completed)
    #expect(driver.log.last == "1 end completed")
  }

  @Test("Chaining: the next turn sends the id and only what is new")
  func delta() throws {
    let driver = try MachineDriver()
    try driver.start(user)
    driver.open()
    driver.answer("r1")
    let second = try driver.start(user)
    let body = try #require(driver.sent.last?.body)
    #expect(driver.sent.count == 2)
    #expect(body["previous_response_id"]?.string == "r1")
    #expect(body["input"]?.elements.count == 1)
    driver.answer("r2")
    let stats = try #require(driver.ends[second]?.stats)
    #expect(stats.isDelta)
    #expect(stats.requestBytes < stats.fullRequestBytes)
  }

  @Test("full_request_bytes is the length of the body that HTTP would have needed")
  func fullRequestBytes() throws {
    let driver = try MachineDriver()
    try driver.start(user)
    driver.open()
    driver.answer("r1")
    let input = #"[{"role":"user","content":"two"},{"role":"user","content":"three"}]"#
    let body = driver.machine.fullBody(driver.session, input: try TurnInput(json: Array(input.utf8)))
    let turn = try driver.start(input)
    driver.answer("r2")
    #expect(driver.ends[turn]?.stats.fullRequestBytes == body.count)
    #expect(try JSONValue(parsing: body)["input"]?.elements.count == 4)
  }

  @Test("Full replay: after a lost connection a store:false chain is sent whole, byte for byte")
  func fullReplay() throws {
    let driver = try MachineDriver()
    let odd = #"[{"role":"user","content":"x\u0000y","n":1.0,"big":9007199254740993}]"#
    try driver.start(odd)
    driver.open()
    driver.answer("r1")
    driver.lose()
    try driver.start(user)
    driver.open()
    let body = try #require(driver.sent.last?.body)
    #expect(body["previous_response_id"] == nil)
    let items = try #require(body["input"]?.elements)
    #expect(items.count == 3)
    #expect(String(decoding: items[0].bytes, as: UTF8.self) == String(odd.dropFirst().dropLast()))
    #expect(String(decoding: items[1].bytes, as: UTF8.self) == Wire.message("r1", "hello"))
  }

  @Test("store:true chains survive a lost connection by id")
  func storedAnchor() throws {
    let driver = try MachineDriver(settings: #"{"model":"m"}"#)
    try driver.start(user)
    driver.open()
    driver.answer("r1")
    driver.lose()
    try driver.start(user)
    driver.open()
    #expect(driver.sent.last?.body["previous_response_id"]?.string == "r1")
  }

  @Test("previous_response_not_found: the same turn goes out again in full, once, with a notice")
  func notFound() throws {
    let driver = try MachineDriver()
    try driver.start(user)
    driver.open()
    driver.answer("r1")
    let turn = try driver.start(user)
    driver.receive(Wire.error("previous_response_not_found"))
    #expect(driver.sent.count == 3)
    #expect(driver.sent.last?.body["previous_response_id"] == nil)
    #expect(driver.sent.last?.body["input"]?.elements.count == 3)
    #expect(driver.events[turn] == ["rws.resent"])
    driver.answer("r2")
    #expect(driver.ends[turn]?.outcome == .completed)
    #expect(driver.ends[turn]?.stats.resendCount == 1)
  }

  @Test(
    "A lost context under other names is replayed in full too: a generic code, a sentence, no type",
    arguments: [
      #"{"type":"error","status":400,"error":{"type":"invalid_request_error","code":"invalid_request_error","param":"previous_response_id","message":"no"}}"#,
      #"{"type":"error","status":400,"error":{"type":"x","code":"bad_request","message":"Previous response with id 'r1' not found."}}"#,
      #"{"error":"previous_response_id r1 not found"}"#,
      #"{"type":"error","code":"previous_response_not_found","message":"no"}"#,
    ])
  func notFoundByOtherNames(_ event: String) throws {
    let driver = try MachineDriver()
    let first = try driver.start(user)
    driver.open()
    // Nothing was continued: it cannot be about that.
    driver.receive(event)
    #expect(driver.ends[first]?.outcome == .failed)
    try driver.start(user)
    driver.answer("r1")
    let turn = try driver.start(user)
    driver.receive(event)
    #expect(driver.ends[turn] == nil && driver.events[turn] == ["rws.resent"])
    #expect(driver.sent.last?.body["previous_response_id"] == nil)
    #expect(driver.sent.last?.body["input"]?.elements.count == 3)
  }

  @Test("An error that is not about the anchor ends the turn as rejected, and the next goes in full")
  func rejected() throws {
    let driver = try MachineDriver()
    try driver.start(user)
    driver.open()
    driver.answer("r1")
    let turn = try driver.start(user)
    driver.receive(Wire.error("invalid_value"))
    let error = try #require(driver.ends[turn]?.error)
    #expect(error.status == .api && error.execution == .rejected && error.code == "invalid_value")
    #expect(driver.events[turn] == ["error"])
    try driver.start(user)
    #expect(driver.sent.last?.body["previous_response_id"] == nil)
    #expect(driver.connects.count == 1)
  }

  @Test("response.failed after output: the error says that output was seen")
  func failed() throws {
    let driver = try MachineDriver()
    let turn = try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r1"), Wire.delta("x"), Wire.failed("r1", code: "server_error"))
    let error = try #require(driver.ends[turn]?.error)
    #expect(error.status == .overloaded && error.execution == .outputSeen)
    #expect(driver.ends[turn]?.outcome == .failed)
  }

  @Test(
    "A connection lost in mid-turn: the execution says how far the request had come",
    arguments: [
      ([], Execution.unknown), ([Wire.created("r")], .unknown),
      ([Wire.created("r"), Wire.itemAdded], .started),
      ([Wire.created("r"), Wire.itemAdded, Wire.delta("x")], .outputSeen),
    ] as [([String], Execution)])
  func lost(events: [String], execution: Execution) throws {
    let driver = try MachineDriver()
    let turn = try driver.start(user)
    driver.open()
    for event in events { driver.receive(event) }
    driver.lose()
    #expect(driver.ends[turn]?.error?.execution == execution)
    #expect(driver.sent.count == 1)
  }

  @Test("A request that was not wholly sent goes out again on a new connection")
  func notSent() throws {
    let driver = try MachineDriver()
    driver.flushesAtOnce = false
    let turn = try driver.start(user)
    driver.open()
    driver.lose()
    #expect(driver.ends[turn] == nil)
    driver.open()
    #expect(driver.sent.count == 2)
    driver.flush(turn)
    driver.answer("r1")
    #expect(driver.ends[turn]?.outcome == .completed)
  }

  @Test("A failed connect ends the turn as not sent; the next turn tries again")
  func connectFails() throws {
    let driver = try MachineDriver()
    let turn = try driver.start(user)
    driver.lose(ResponsesError(.connectRefused, "no"))
    #expect(driver.ends[turn]?.error?.status == .connectRefused)
    #expect(driver.ends[turn]?.error?.execution == .notSent)
    try driver.start(user)
    #expect(driver.connects.count == 2)
  }

  @Test("Turns of one session run one after the other")
  func fifo() throws {
    let driver = try MachineDriver()
    let first = try driver.start(user)
    let second = try driver.start(user)
    driver.open()
    #expect(driver.sent.count == 1)
    driver.answer("r1")
    #expect(driver.sent.count == 2 && driver.ends[first] != nil && driver.ends[second] == nil)
    driver.answer("r2")
    #expect(driver.ends[second]?.outcome == .completed)
  }

  @Test("After a cancel no late event answers the next request: it goes in full, on a new connection")
  func cancelled() throws {
    let driver = try MachineDriver()
    try driver.start(user)
    driver.open()
    driver.answer("r1")
    let turn = try driver.start(user)
    driver.receive(Wire.created("r2"))
    driver.cancel(turn)
    #expect(driver.ends[turn]?.outcome == .cancelled)
    #expect(driver.ends[turn]?.error?.execution == .unknown)
    let old = try #require(driver.connects.last)
    let next = try driver.start(user)
    #expect(driver.connects.count == 2 && driver.closes.isEmpty)
    driver.receive(Wire.messageDone("r2", "late"), Wire.completed("r2"), on: old)
    driver.open()
    #expect(driver.sent.last?.body["previous_response_id"] == nil)
    #expect(driver.sent.last?.body["input"]?.elements.count == 3)
    driver.answer("r3")
    #expect(driver.events[next] == ["response.created", "response.output_item.done", "response.completed"])
  }

  @Test("A cancelled response that ends before the next turn leaves the connection usable")
  func drained() throws {
    let driver = try MachineDriver()
    let turn = try driver.start(user)
    driver.open()
    driver.cancel(turn)
    driver.answer("late")
    try driver.start(user)
    #expect(driver.connects.count == 1 && driver.closes.isEmpty)
    #expect(driver.sent.last?.body["previous_response_id"] == nil)
    #expect(driver.sent.last?.body["input"]?.elements.count == 1)
  }

  @Test("Time limits: total from the start, first event from the sending, gap from the last event")
  func limits() throws {
    let driver = try MachineDriver()
    let total = try driver.start(user, limits: TurnLimits(total: 10))
    driver.advance(nanoseconds: 9)
    #expect(driver.ends[total] == nil && driver.machine.nextDeadline == Instant(nanoseconds: 10))
    driver.advance(nanoseconds: 1)
    #expect(driver.ends[total]?.error?.status == .turnTimeout)
    #expect(driver.ends[total]?.outcome == .cancelled)

    let first = try driver.start(user, limits: TurnLimits(firstEvent: 5))
    driver.advance(nanoseconds: 100)
    driver.open()
    #expect(driver.ends[first] == nil)
    driver.advance(nanoseconds: 5)
    #expect(driver.ends[first]?.error?.status == .firstEventTimeout)

    let gap = try driver.start(user, limits: TurnLimits(firstEvent: 5, eventGap: 7))
    driver.open()
    driver.receive(Wire.created("r"))
    driver.advance(nanoseconds: 6)
    driver.receive(Wire.delta("x"))
    driver.advance(nanoseconds: 6)
    #expect(driver.ends[gap] == nil)
    driver.advance(nanoseconds: 1)
    #expect(driver.ends[gap]?.error?.status == .eventGapTimeout)
    #expect(driver.ends[gap]?.error?.execution == .outputSeen)
  }

  @Test("No limit but the total runs while the caller's full queue stops the reading")
  func pausedLimits() throws {
    let driver = try MachineDriver()
    let turn = try driver.start(user, limits: TurnLimits(firstEvent: 5, eventGap: 7, total: 1000))
    driver.open()
    driver.receive(Wire.created("r"))
    driver.setUnread(true, turn)
    driver.advance(nanoseconds: 500)
    #expect(driver.ends[turn] == nil && driver.machine.nextDeadline == Instant(nanoseconds: 1000))
    driver.setUnread(false, turn)
    driver.advance(nanoseconds: 6)
    #expect(driver.ends[turn] == nil)
    driver.advance(nanoseconds: 1)
    #expect(driver.ends[turn]?.error?.status == .eventGapTimeout)
  }

  @Test("A call without its output is refused before anything is sent")
  func missingOutput() throws {
    let driver = try MachineDriver()
    try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r1"), Wire.callDone("c1"), Wire.completed("r1"))
    let refused = try driver.start(user)
    #expect(driver.ends[refused]?.error?.status == .missingOutput)
    #expect(driver.ends[refused]?.error?.message.contains("c1") == true)
    #expect(driver.sent.count == 1)
    try driver.start(#"[{"type":"function_call_output","call_id":"c1","output":"1"}]"#)
    #expect(driver.sent.last?.body["previous_response_id"]?.string == "r1")
  }

  @Test("An incomplete response commits, unless it holds an unfinished call")
  func incomplete() throws {
    let driver = try MachineDriver()
    let first = try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r1"), Wire.messageDone("r1", "part"), Wire.incomplete("r1"))
    #expect(driver.ends[first]?.outcome == .incomplete)
    try driver.start(user)
    #expect(driver.sent.last?.body["previous_response_id"]?.string == "r1")
    driver.receive(
      Wire.created("r2"),
      Wire.incomplete("r2", output: "[\(Wire.call("c", status: "incomplete"))]"))
    try driver.start(user)
    #expect(driver.sent.last?.body["previous_response_id"] == nil)
    #expect(driver.sent.last?.body["input"]?.elements.count == 3)
  }

  @Test("A warm-up sends generate:false and chains")
  func warmUp() throws {
    let driver = try MachineDriver()
    try driver.start("", isWarmUp: true)
    driver.open()
    #expect(driver.sent.last?.body["generate"]?.bool == false)
    driver.receive(Wire.created("w"), Wire.completed("w"))
    try driver.start(user)
    #expect(driver.sent.last?.body["previous_response_id"]?.string == "w")
  }

  @Test("A turn bound to a conversation sends no id and only what is new")
  func conversation() throws {
    let driver = try MachineDriver(settings: #"{"model":"m","conversation":"conv_1"}"#)
    try driver.start(user)
    driver.open()
    driver.answer("r1")
    try driver.start(user)
    #expect(driver.sent.last?.body["previous_response_id"] == nil)
    #expect(driver.sent.last?.body["input"]?.elements.count == 1)
  }

  @Test("Not an event: the turn fails, the connection is closed")
  func invalidEvent() throws {
    let driver = try MachineDriver()
    let turn = try driver.start(user)
    driver.open()
    driver.receive("{\"type\":")
    #expect(driver.ends[turn]?.error?.status == .invalidEvent)
    #expect(driver.closes.count == 1)
  }

  @Test("The connection's age limit: a turn that has not begun moves to a new connection")
  func connectionLimit() throws {
    let driver = try MachineDriver()
    try driver.start(user)
    driver.open()
    driver.answer("r1")
    let turn = try driver.start(user)
    driver.receive(Wire.error("websocket_connection_limit_reached"))
    #expect(driver.connects.count == 2)
    driver.open()
    #expect(driver.sent.last?.body["input"]?.elements.count == 3)
    driver.answer("r2")
    #expect(driver.ends[turn]?.outcome == .completed)
  }

  @Test("Unknown events pass through")
  func unknownEvents() throws {
    let driver = try MachineDriver()
    let turn = try driver.start(user)
    driver.open()
    driver.receive(#"{"type":"codex.rate_limits","x":1}"#, #"{"type":"keepalive"}"#)
    driver.answer("r1")
    #expect(driver.events[turn]?.prefix(2) == ["codex.rate_limits", "keepalive"])
  }

  @Test("connect: answered when connected, at once the second time; a failure is told")
  func connectAhead() throws {
    let driver = try MachineDriver()
    driver.connect()
    #expect(driver.connectEnds.isEmpty)
    driver.lose(ResponsesError(.dns, "no"))
    #expect(driver.connectEnds == [ResponsesError(.dns, "no")])
    driver.connect()
    driver.open()
    driver.connect()
    #expect(driver.connectEnds.suffix(2) == [nil, nil] && driver.connects.count == 2)
  }

  @Test("close ends every turn as cancelled")
  func close() throws {
    let driver = try MachineDriver()
    let first = try driver.start(user)
    let second = try driver.start(user)
    driver.open()
    driver.close()
    #expect(driver.ends[first]?.outcome == .cancelled && driver.ends[second]?.outcome == .cancelled)
    let late = try driver.start(user)
    #expect(driver.ends[late]?.error?.status == .closed)
  }

  @Test("store:false asks for encrypted reasoning unless the caller set include")
  func encryptedReasoning() throws {
    let driver = try MachineDriver()
    try driver.start(user)
    driver.open()
    #expect(
      driver.sent.last?.body["include"]?.elements.first?.string == "reasoning.encrypted_content")
    driver.answer("r1")
    try driver.start(user, overrides: #"{"include":[]}"#)
    #expect(driver.sent.last?.body["include"]?.elements.isEmpty == true)
  }

  @Test("What a given-up connection still brings in its last read burst does not touch the next one")
  func staleBurst() throws {
    let driver = try MachineDriver()
    let first = try driver.start(user)
    let second = try driver.start(user)
    driver.open()
    driver.receive("no JSON", "no JSON either")
    #expect(driver.ends[first]?.error?.status == .invalidEvent)
    #expect(driver.ends[second] == nil && driver.connects.count == 2 && driver.closes.count == 1)
    driver.open()
    driver.answer("r1")
    #expect(driver.ends[second]?.outcome == .completed)
  }

  @Test("close says how far the running turn had come")
  func closeExecution() throws {
    let driver = try MachineDriver()
    let turn = try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r"), Wire.delta("x"))
    driver.close()
    #expect(driver.ends[turn]?.error?.execution == .outputSeen)
  }

  @Test("A turn cancelled while its request is being written may run: what is queued still goes out")
  func cancelWhileSending() throws {
    let driver = try MachineDriver()
    driver.flushesAtOnce = false
    let turn = try driver.start(user)
    driver.open()
    driver.cancel(turn)
    #expect(driver.ends[turn]?.error?.execution == .unknown)
  }

  @Test("A keep-alive that comes before the request is out does not count as its answer")
  func metadataWhileSending() throws {
    let driver = try MachineDriver()
    driver.flushesAtOnce = false
    let turn = try driver.start(user, limits: TurnLimits(firstEvent: 5))
    driver.open()
    driver.receive(#"{"type":"keepalive"}"#)
    driver.flush(turn)
    #expect(driver.machine.nextDeadline == Instant(nanoseconds: 5))
    driver.lose()
    #expect(driver.ends[turn]?.stats.sent != nil)
  }

  @Test("The connection's age limit met while a cancelled response runs on: the next turn connects anew")
  func limitWhileDraining() throws {
    let driver = try MachineDriver()
    let turn = try driver.start(user)
    driver.open()
    driver.cancel(turn)
    driver.receive(Wire.error("websocket_connection_limit_reached"))
    try driver.start(user)
    #expect(driver.connects.count == 2 && driver.closes.isEmpty)
    driver.receive(Wire.completed("r"), on: driver.connects[0])
    #expect(driver.closes.count == 1)
  }

  @Test("A pause ends with the turn whose queue is full; the next turn's time limits count again")
  func pauseEndsWithTurn() throws {
    let driver = try MachineDriver()
    let first = try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r"))
    driver.setUnread(true, first)
    driver.cancel(first)
    #expect(driver.pauses == [true, false])
    let second = try driver.start(user, limits: TurnLimits(firstEvent: 5))
    driver.open()
    driver.setUnread(true, first)
    driver.advance(nanoseconds: 5)
    #expect(driver.ends[second]?.error?.status == .firstEventTimeout)
  }

  @Test("A stored response is continued on a new connection only if what it continues was stored too")
  func storedAfterUnstored() throws {
    let driver = try MachineDriver()
    try driver.start(user)
    driver.open()
    driver.answer("r1")
    try driver.start(user, overrides: #"{"store":true}"#)
    #expect(driver.sent.last?.body["previous_response_id"]?.string == "r1")
    driver.answer("r2")
    driver.lose()
    try driver.start(user, overrides: #"{"store":true}"#)
    driver.open()
    #expect(driver.sent.last?.body["previous_response_id"] == nil)
    #expect(driver.sent.last?.body["input"]?.elements.count == 5)
    driver.answer("r3")
    driver.lose()
    try driver.start(user)
    driver.open()
    #expect(driver.sent.last?.body["previous_response_id"]?.string == "r3")
  }

  @Test("Full replay 1: where done events are missing the terminal event's output is the history")
  func missingDoneEvents() throws {
    let driver = try MachineDriver()
    try driver.start(user)
    driver.open()
    driver.receive(
      Wire.created("r1"), Wire.messageDone("r1", "first"),
      #"{"type":"response.completed","response":{"id":"r1","output":[\#(Wire.message("r1", "first")),\#(Wire.call("c1"))]}}"#)
    let refused = try driver.start(user)
    #expect(driver.ends[refused]?.error?.status == .missingOutput)
    driver.lose()
    try driver.start(#"[{"type":"function_call_output","call_id":"c1","output":"1"}]"#)
    driver.open()
    #expect(driver.sent.last?.body["input"]?.elements.count == 4)
  }

  @Test("In a conversation the body for HTTP holds only what is new: the server has the rest")
  func conversationBody() throws {
    let driver = try MachineDriver(settings: #"{"model":"m","conversation":"conv_1"}"#)
    try driver.start(user)
    driver.open()
    driver.answer("r1")
    let input = try TurnInput(json: Array(user.utf8))
    let body = driver.machine.fullBody(driver.session, input: input)
    #expect(try JSONValue(parsing: body)["input"]?.elements.count == 1)
    let turn = try driver.start(user)
    driver.answer("r2")
    #expect(driver.ends[turn]?.stats.fullRequestBytes == body.count)
  }

  @Test("A long read burst reaches the caller in pieces, in order, before it is over")
  func longBurst() throws {
    let driver = try MachineDriver()
    let turn = try driver.start(user)
    driver.open()
    for _ in 0..<EventBatch.recordsMax {
      Array(Wire.delta("x").utf8).withUnsafeBytes {
        driver.machine.receive(driver.connects[0], text: $0, now: driver.now)
      }
    }
    #expect(driver.machine.hasActions)
    driver.receive(Wire.delta("y"), Wire.completed("r"))
    #expect(driver.events[turn]?.count == EventBatch.recordsMax + 2)
    #expect(driver.ends[turn]?.stats.eventCount == EventBatch.recordsMax + 2)
    #expect(driver.log.last == "1 end completed")
  }

  @Test("A failure that shows output only in itself says that output was seen")
  func failedWithOutput() throws {
    let driver = try MachineDriver()
    let turn = try driver.start(user)
    driver.open()
    driver.receive(
      #"{"type":"response.failed","response":{"id":"r1","status":"failed","error":{"code":"server_error","message":"no"},"output":[\#(Wire.message("r1", "hi"))]}}"#)
    #expect(driver.ends[turn]?.error?.execution == .outputSeen)
  }
}
