import RWSJSON
import Testing

@testable import RWSProtocol

/// The table in `Recovery`, rule by rule.
@Suite struct RecoveryTests {
  private let user = #"[{"role":"user","content":"hi"}]"#
  private static let second: Int64 = 1_000_000_000

  private func driver(
    settings: String = #"{"model":"m","store":false}"#, replay: ReplayPolicy = .safe,
    lanes: Dialect.Lanes = .supported
  ) throws -> MachineDriver {
    let driver = try MachineDriver(settings: settings, lanes: lanes)
    driver.recovery.replay = replay
    return driver
  }

  // MARK: Lost connections

  private static let created = [Wire.created("r"), Wire.inProgress("r")]

  @Test(
    "A lost turn is sent again as far as the policy goes, and never once its output was seen",
    arguments: [
      (ReplayPolicy.never, [], false), (.never, created, false),
      (.safe, [], true), (.safe, created, true), (.safe, created + [Wire.itemAdded], false),
      (.always, created, true), (.always, created + [Wire.itemAdded], true),
      (.always, created + [Wire.itemAdded, Wire.delta("x")], false),
    ] as [(ReplayPolicy, [String], Bool)])
  func replay(policy: ReplayPolicy, events: [String], isReplayed: Bool) throws {
    let driver = try driver(replay: policy)
    let turn = try driver.start(user)
    driver.open()
    driver.receive(events)
    driver.lose()
    driver.open()
    #expect(driver.sent.count == (isReplayed ? 2 : 1))
    #expect(driver.ends[turn]?.outcome == (isReplayed ? nil : .failed))
    guard isReplayed else { return }
    let notice = try #require(driver.noticed(turn).first)
    #expect(notice["type"]?.string == "rws.replayed")
    #expect(notice["execution"]?.string == (events.count == 3 ? "started" : "unknown"))
    driver.answer("r2")
    #expect(driver.ends[turn]?.outcome == .completed)
    #expect(driver.ends[turn]?.stats.resendCount == 1)
  }

  @Test(
    "safe: what the server would store, append or do twice is not sent again",
    arguments: [
      (#"{"model":"m"}"#, false), (#"{"model":"m","store":true}"#, false),
      (#"{"model":"m","store":false,"conversation":"conv_1"}"#, false),
      (#"{"model":"m","store":false,"tools":[{"type":"web_search"}]}"#, false),
      (#"{"model":"m","store":false,"tools":[{"type":"function","name":"f"},{"type":"custom","name":"g"}]}"#, true),
    ])
  func safe(settings: String, isReplayed: Bool) throws {
    let driver = try driver(settings: settings)
    let turn = try driver.start(user)
    driver.open()
    driver.lose()
    #expect((driver.ends[turn] == nil) == isReplayed)
  }

  @Test("What is lost again and again waits longer each time, and ends after max_retries")
  func again() throws {
    let driver = try driver()
    driver.recovery.backoffBase = Self.second
    let turn = try driver.start(user)
    for attempt in 0..<5 {
      driver.advance(nanoseconds: Self.second << Int64(attempt))
      driver.open()
      #expect(driver.sent.count == attempt + 1)
      driver.lose()
    }
    #expect(driver.ends[turn]?.error?.execution == .unknown)
    let waits = driver.noticed(turn).map { $0["wait_ms"]?.int ?? -1 }
    #expect(waits.count == 4 && waits[0] == 0 && waits[1...].allSatisfy { $0 > 0 })
    #expect(zip(waits, [0, 2000, 4000, 8000]).allSatisfy { $0 <= $1 })
  }

  @Test("Close codes: 1008 once more, 1009 never", arguments: [(1008, 2), (1009, 1), (1001, 3)])
  func closeCodes(code: Int32, sendings: Int) throws {
    let driver = try driver()
    driver.recovery.backoffBase = 0
    driver.recovery.resendsMax = 2
    try driver.start(user)
    for _ in 0..<3 {
      driver.open()
      var error = ResponsesError(code == 1009 ? .messageTooLarge : .peerClosed, "closed")
      error.closeCode = code
      driver.lose(error)
    }
    #expect(driver.sent.count == sendings)
  }

  @Test("The result of the replay holds nothing of what was lost")
  func assembly() throws {
    var assembly = TurnAssembly()
    let batch = EventBatch(capacity: 1024)
    let replayed = #"{"type":"rws.replayed","reason":"connection_lost"}"#
    let call =
      #"{"type":"response.output_item.added","output_index":0,"item":{"id":"fc","type":"function_call","call_id":"c","name":"f","arguments":"","status":"in_progress"}}"#
    let texts = [Wire.created("lost"), call, replayed, Wire.created("new")]
    for text in texts {
      try Array(text.utf8).withUnsafeBytes {
        var fields = try EventScanner.scan($0)
        if text.contains("rws.") { fields.kind = .notice }
        batch.append($0, fields)
      }
    }
    assembly.apply(batch)
    #expect(assembly.responseID == "new" && assembly.calls.isEmpty)
  }

  // MARK: Refusals

  @Test(
    "What may pass is tried again after a wait, the context in full; what will not is told",
    arguments: [
      (Wire.error("server_is_overloaded", status: 503), true),
      (Wire.error("rate_limit_exceeded", status: 429), true),
      (Wire.failed("r", code: "server_error"), true),
      (Wire.error("insufficient_quota", status: 429), false),
      (Wire.error("usage_limit_reached", status: 429), false),
      (Wire.error("invalid_prompt"), false),
      (Wire.error("context_length_exceeded"), false),
    ])
  func refused(answer: String, isRetried: Bool) throws {
    let driver = try driver()
    try driver.start(user)
    driver.open()
    driver.answer("r0")
    let turn = try driver.start(user)
    driver.receive(answer)
    #expect((driver.ends[turn] == nil) == isRetried)
    driver.advance(nanoseconds: Self.second)
    guard isRetried else { return #expect(driver.sent.count == 2) }
    #expect(driver.sent.count == 3)
    // A failed continuation evicts what it referred to (protocol.md, The server's cache).
    #expect(driver.sent.last?.previousResponseID == nil)
    #expect(driver.events[turn] == ["rws.resent"])
    driver.answer("r1")
    #expect(driver.ends[turn]?.outcome == .completed)
  }

  @Test("A failure after output ends the turn, whatever it was")
  func failedLate() throws {
    let driver = try driver()
    let turn = try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r"), Wire.delta("x"), Wire.failed("r", code: "server_error"))
    #expect(driver.ends[turn]?.error?.execution == .outputSeen)
  }

  @Test("retry-after is kept to; a wait beyond a minute, or the turn's own limit, is the caller's matter")
  func retryAfter() throws {
    let driver = try driver()
    driver.recovery.backoffBase = 0
    func refuse(_ seconds: Int, limits: TurnLimits = TurnLimits()) throws -> TurnID {
      let turn = try driver.start(user, limits: limits)
      driver.open()
      driver.receive(
        #"{"type":"error","status":429,"error":{"code":"rate_limit_exceeded","message":"slow"},"headers":{"retry-after":"\#(seconds)"}}"#)
      return turn
    }
    let turn = try refuse(3)
    driver.advance(nanoseconds: 3 * Self.second - 1)
    #expect(driver.sent.count == 1)
    driver.advance(nanoseconds: 1)
    #expect(driver.sent.count == 2)
    driver.answer("r")
    #expect(driver.ends[turn]?.outcome == .completed)
    let long = try refuse(61)
    #expect(driver.ends[long]?.error?.retryAfterMilliseconds == 61_000)
    let limited = try refuse(3, limits: TurnLimits(total: 2 * Self.second))
    #expect(driver.ends[limited]?.error?.status == .rateLimited)
  }

  @Test("A server that counts more lane names than we do: the request goes elsewhere")
  func laneLimit() throws {
    let driver = try driver()
    let other = driver.openSession()
    try driver.start(user)
    driver.open()
    let turn = try driver.start(user, in: other)
    let first = try #require(driver.request(turn))
    driver.receive(Wire.on(first.lane, Wire.error("websocket_stream_limit_reached")))
    driver.open()
    let second = try #require(driver.request(turn))
    #expect(second.connection !== first.connection)
    driver.answer(second, "r")
    #expect(driver.ends[turn]?.outcome == .completed)
  }

  @Test("A cancel ends a turn that waits, its time limit one that was sent again, and the session goes on")
  func cancelledWhileWaiting() throws {
    let driver = try driver()
    let turns = try [
      driver.start(user), driver.start(user, limits: TurnLimits(total: 10 * Self.second)),
      driver.start(user),
    ]
    driver.open()
    driver.receive(Wire.error("server_is_overloaded", status: 503))
    driver.cancel(turns[0])
    #expect(driver.ends[turns[0]]?.outcome == .cancelled)
    driver.receive(Wire.error("server_is_overloaded", status: 503))
    driver.advance(nanoseconds: 10 * Self.second)
    #expect(driver.ends[turns[1]]?.error?.status == .turnTimeout)
    driver.answer(try #require(driver.request(turns[2])), "r")
    #expect(driver.ends[turns[2]]?.outcome == .completed)
  }

  // MARK: Connecting

  @Test(
    "A first connection that fails is told at once; a route that worked is tried again",
    arguments: [Status.connectRefused, .handshake, .tls])
  func redial(status: Status) throws {
    let driver = try driver()
    let refused = ResponsesError(status, "refused")
    let first = try driver.start(user)
    driver.lose(refused)
    #expect(driver.ends[first]?.error?.status == status)
    try driver.start(user)
    driver.open()
    driver.answer("r")
    driver.lose()
    let turn = try driver.start(user)
    driver.lose(refused)
    #expect(driver.ends[turn] == nil && driver.connects.count == 3)
    driver.advance(nanoseconds: Self.second)
    driver.open()
    driver.answer("r2")
    #expect(driver.ends[turn]?.outcome == .completed)
  }

  @Test("Settings that are wrong are not tried again, a server that asks for patience is")
  func refusedUpgrade() throws {
    let driver = try driver()
    var busy = ResponsesError(.overloaded, "busy")
    busy.httpStatus = 503
    let turn = try driver.start(user)
    driver.lose(busy)
    #expect(driver.ends[turn] == nil)
    driver.advance(nanoseconds: Self.second)
    driver.lose(ResponsesError(.unauthorized, "no"))
    #expect(driver.ends[turn]?.error?.status == .unauthorized)
  }

  @Test("A queue that is read while its turn waits to be sent again does not pause the next connection")
  func readWhileWaiting() throws {
    let driver = try MachineDriver()
    driver.recovery.replay = .always
    let turn = try driver.start(user)
    driver.open()
    driver.receive(Wire.created("r1"))
    driver.setUnread(true, turn)
    driver.lose()
    driver.setUnread(false, turn)
    driver.open()
    #expect(driver.request(turn)?.connection === driver.connects.last && driver.pauses == [true])
  }
}
