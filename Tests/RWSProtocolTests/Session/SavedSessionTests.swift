import RWSJSON
import Testing

@testable import RWSProtocol

/// A session, saved and restored, goes on as if nothing had happened but the loss of the connection.
@Suite struct SavedSessionTests {
  private let user = #"{"role":"user","content":"hi"}"#

  /// One committed turn with this output.
  private func turn(
    _ driver: MachineDriver, _ id: String, input: String, output: [String], overrides: String = ""
  ) throws {
    try driver.start(input, overrides: overrides)
    driver.open()
    finish(driver, id, output)
  }

  private func finish(_ driver: MachineDriver, _ id: String, _ output: [String]) {
    driver.receive(Wire.created(id))
    for (index, item) in output.enumerated() { driver.receive(Wire.itemDone(item, at: index)) }
    driver.receive(Wire.completed(id))
  }

  private func saved(_ driver: MachineDriver) throws -> [UInt8] {
    try #require(driver.machine.saved(driver.session)).json
  }

  private func restored(
    _ json: [UInt8], settings: String, overrides: String = ""
  ) throws -> MachineDriver {
    let saved = try SavedSession(json: json, overrides: Settings(overrides: Array(overrides.utf8)))
    let driver = try MachineDriver(settings: settings)
    driver.machine.restore(saved, as: driver.session)
    return driver
  }

  /// What both send next on a new connection is the same, and so is what they save again.
  private func expectSame(
    _ driver: MachineDriver, settings: String, next: String = #"[{"role":"user","content":"on"}]"#,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    let json = try saved(driver)
    let other = try restored(json, settings: settings)
    #expect(try saved(other) == json, sourceLocation: location)
    driver.lose()
    var bodies: [String] = []
    for one in [driver, other] {
      let turn = try one.start(next)
      one.open()
      let request = try #require(one.request(turn), sourceLocation: location)
      bodies.append(String(decoding: request.body.bytes, as: UTF8.self))
      one.answer(request, "next")
      #expect(one.ends[turn]?.outcome == .completed, sourceLocation: location)
    }
    #expect(bodies[0] == bodies[1], sourceLocation: location)
    #expect(try saved(driver) == saved(other), sourceLocation: location)
  }

  private static let unstored = #"{"model":"m","store":false,"x":1.0}"#
  private static let reasoning =
    #"{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"abc"}"#
  private static let custom =
    #"{"id":"ctc_1","type":"custom_tool_call","call_id":"c2","name":"g","input":"a\u0000b\ud800"}"#
  private static let unknown =
    #"{"type":"vendor_thing","x":1.0,"n":9007199254740993,"created_by":"me"}"#
  private static let compaction = #"{"id":"cmp_1","type":"compaction","encrypted_content":"z"}"#
  private static let answers =
    #"[{"type":"function_call_output","call_id":"c1","output":"1"},{"type":"custom_tool_call_output","call_id":"c2","output":"2"}]"#

  @Test("parallel calls, reasoning, custom tools, unknown items: the next full body is the same, byte for byte")
  func calls() throws {
    let driver = try MachineDriver(settings: Self.unstored)
    try turn(
      driver, "r1", input: #""hello""#,
      output: [Self.reasoning, Wire.call("c1"), Self.custom, Self.unknown])
    // In the middle: the calls are open.
    let other = try restored(saved(driver), settings: Self.unstored)
    let refused = try other.start("[\(user)]")
    #expect(other.ends[refused]?.error?.status == .missingOutput)
    try turn(driver, "r2", input: Self.answers, output: [Wire.message("r2", "done")])
    try expectSame(driver, settings: Self.unstored)
  }

  @Test("open calls are answered by the restored session")
  func openCalls() throws {
    let driver = try MachineDriver(settings: Self.unstored)
    try turn(driver, "r1", input: #""hello""#, output: [Wire.call("c1"), Self.custom])
    try expectSame(driver, settings: Self.unstored, next: Self.answers)
  }

  @Test("a compaction item: what was before it is not saved, and not sent")
  func compaction() throws {
    let driver = try MachineDriver(settings: Self.unstored)
    try turn(driver, "r1", input: "[\(user)]", output: [Wire.message("r1", "old")])
    try turn(
      driver, "r2", input: "[\(user)]",
      output: [Wire.message("r2", "before"), Self.compaction, Wire.message("r2b", "after")])
    #expect(!String(decoding: try saved(driver), as: UTF8.self).contains("before"))
    try expectSame(driver, settings: Self.unstored)
  }

  @Test("a window from /responses/compact: all of it is saved, and sent")
  func compactedWindow() throws {
    let driver = try MachineDriver(settings: Self.unstored)
    try turn(driver, "r1", input: "[\(user)]", output: [Wire.message("r1", "old")])
    let window = try [user, Self.compaction].map { try JSONValue(parsing: $0) }
    driver.machine.sessions[driver.session]?.chain.rebase(window)
    try expectSame(driver, settings: Self.unstored)
  }

  @Test("reasoning without ciphertext: kept for a server that stores, left out for one that does not")
  func bareReasoning() throws {
    let bare = #"{"id":"rs_1","type":"reasoning","summary":[]}"#
    let stored = #"{"model":"m"}"#
    let driver = try MachineDriver(settings: stored)
    try turn(driver, "r1", input: "[\(user)]", output: [bare, Wire.message("r1", "x")])
    for overrides in ["", #"{"store":false}"#] {
      let other = try restored(saved(driver), settings: stored)
      for one in [driver, other] { one.machine.sessions[one.session]?.chain.dropAnchor(.evicted) }
      var bodies: [JSONValue] = []
      for one in [driver, other] {
        let turn = try one.start("[\(user)]", overrides: overrides)
        one.open()
        bodies.append(try #require(one.request(turn)).body)
        one.cancel(turn)
      }
      #expect(bodies[0].bytes.elementsEqual(bodies[1].bytes))
      #expect(bodies[0]["input"]?.elements.count == (overrides.isEmpty ? 4 : 3))
    }
  }

  @Test("whole-history style: the caller's own form, with a window, is compared and replayed as before")
  func compared() throws {
    let driver = try MachineDriver(settings: Self.unstored)
    try turn(driver, "r1", input: "[\(user)]", output: [Self.unknown])
    // The caller's library puts white space between items, and orders members as it likes.
    let other = #"{"created_by":"me" , "n":9007199254740993,"x":1.0,"type":"vendor_thing"}"#
    let first = " \(user) ,\n \(other)"
    try driver.start(history: "[\(first),\(user)]")
    driver.open()
    finish(driver, "r2", [Self.compaction, Wire.message("r2", "after")])
    let restored = try restored(saved(driver), settings: Self.unstored)
    let history = "[\(first),\(user),\(Self.compaction),\(Wire.message("r2", "after")), \(user)]"
    var bodies: [String] = []
    for one in [driver, restored] {
      one.lose()
      let turn = try one.start(history: history)
      one.open()
      let body = try #require(one.request(turn)).body
      bodies.append(String(decoding: body.bytes, as: UTF8.self))
      #expect(body["input"]?.elements.count == 3)
    }
    #expect(bodies[0] == bodies[1])
    #expect(try saved(driver) == saved(restored))
  }

  @Test("abandoned calls stay abandoned")
  func abandoned() throws {
    let driver = try MachineDriver(settings: Self.unstored)
    try turn(driver, "r1", input: "[\(user)]", output: [Self.reasoning, Wire.call("c1")])
    try driver.start("[\(user)]", isAbandoningCalls: true)
    driver.open()
    finish(driver, "r2", [Wire.message("r2", "x")])
    try expectSame(driver, settings: Self.unstored)
  }

  @Test("a stored response is continued by its id, one that is not by a full send with its reason")
  func anchors() throws {
    for (settings, isDelta) in [(#"{"model":"m"}"#, true), (Self.unstored, false)] {
      let driver = try MachineDriver(settings: settings)
      try turn(driver, "r1", input: "[\(user)]", output: [Wire.message("r1", "x")])
      let other = try restored(saved(driver), settings: settings)
      #expect(other.machine.responseID(other.session) == "r1")
      let turn = try other.start("[\(user)]", isStrict: true)
      other.open()
      let request = try #require(other.request(turn))
      #expect(request.previousResponseID == (isDelta ? "r1" : nil))
      #expect(request.body["input"]?.elements.count == (isDelta ? 1 : 3))
      other.answer(request, "r2")
      let stats = try #require(other.ends[turn]?.stats)
      #expect(stats.isDelta == isDelta && stats.fullReason == (isDelta ? nil : .restored))
      #expect(stats.cacheBreak == nil)
      // From then on it is a session like others.
      let next = try other.start("[\(user)]")
      #expect(other.request(next)?.previousResponseID == "r2")
    }
  }

  @Test("a stored response that the server has forgotten: the whole history, once")
  func forgotten() throws {
    let driver = try MachineDriver(settings: #"{"model":"m"}"#)
    try turn(driver, "r1", input: "[\(user)]", output: [Wire.message("r1", "x")])
    let other = try restored(saved(driver), settings: #"{"model":"m"}"#)
    let turn = try other.start("[\(user)]")
    other.open()
    other.receive(Wire.error("previous_response_not_found"))
    let request = try #require(other.request(turn))
    #expect(request.previousResponseID == nil && request.body["input"]?.elements.count == 3)
  }

  @Test("a session without a turn")
  func empty() throws {
    try expectSame(MachineDriver(settings: Self.unstored), settings: Self.unstored)
  }

  @Test("while a turn runs, what is committed is saved")
  func running() throws {
    let driver = try MachineDriver(settings: Self.unstored)
    try turn(driver, "r1", input: "[\(user)]", output: [Wire.message("r1", "x")])
    let before = try saved(driver)
    try driver.start(#""not yet""#)
    driver.receive(Wire.created("r2"), Wire.messageDone("r2", "nor this"))
    #expect(try saved(driver) == before)
    driver.receive(Wire.completed("r2"))
    #expect(try saved(driver) != before)
  }

  @Test("a changed setting is a cache break after a restore as before it")
  func cacheBreak() throws {
    let driver = try MachineDriver(settings: Self.unstored)
    try turn(
      driver, "r1", input: "[\(user)]", output: [], overrides: #"{"instructions":"Be brief."}"#)
    let other = try restored(saved(driver), settings: Self.unstored)
    let turn = try other.start("[\(user)]")
    other.open()
    other.answer("r2")
    #expect(other.ends[turn]?.stats.cacheBreak == "instructions")
  }

  // MARK: Credentials

  private static let secretTools =
    #"{"model":"m","store":false,"tools":[{"type":"function","name":"f"},{"type":"mcp","server_url":"https://x","authorization":"sk-secret","headers":{"X-Key":"sk-secret"}}]}"#

  @Test("credentials of MCP tools are not saved, and must be given again")
  func credentials() throws {
    let driver = try MachineDriver(settings: Self.secretTools)
    try turn(driver, "r1", input: "[\(user)]", output: [Wire.message("r1", "x")])
    let json = try saved(driver)
    #expect(!String(decoding: json, as: UTF8.self).contains("sk-secret"))
    let error = #expect(throws: ResponsesError.self) { try SavedSession(json: json) }
    #expect(error?.status == .invalidArgument)
    #expect(error?.message.contains("tools[1].authorization") == true)
    let tools = #"{"tools":[{"type":"mcp","authorization":"new"}]}"#
    let again = try SavedSession(json: json, overrides: Settings(json: Array(tools.utf8)))
    #expect(again.settings["tools"]?.elements.count == 1)
    #expect(again.settings["model"]?.string == "m")
  }

  // MARK: What the caller may give

  private func sample() throws -> [UInt8] {
    let driver = try MachineDriver(settings: Self.unstored)
    try turn(
      driver, "r1", input: #""hello""#, output: [Self.reasoning, Wire.call("c1"), Self.custom])
    try turn(driver, "r2", input: Self.answers, output: [Self.compaction, Wire.message("r2", "x")])
    return try saved(driver)
  }

  @Test("cut anywhere, it is refused")
  func truncated() throws {
    let json = try sample()
    for length in 0..<json.count {
      let error = #expect(throws: ResponsesError.self) { try SavedSession(json: Array(json[..<length])) }
      #expect(error?.status == .invalidJSON)
    }
  }

  @Test(
    "what save() never writes is refused",
    arguments: [
      ("\"responsesws.session\"", "\"other\"", Status.invalidJSON),
      ("\"version\":1", "\"version\":2", .invalidArgument),
      ("\"version\":1", "\"version\":\"1\"", .invalidJSON),
      ("\"version\":1", "\"version\":1,\"version\":1", .invalidJSON),
      ("\"version\":1", "\"version\":1,\"more\":1", .invalidJSON),
      ("\"is_stored\":false", "\"is_stored\":0", .invalidJSON),
      ("\"is_stored\":false", "\"is_stored\":false,\"x\":{", .invalidJSON),
      ("\"response_id\":\"r2\",\"is_stored\":false", "\"response_id\":\"\",\"is_stored\":true", .invalidJSON),
      ("\"response_id\":\"r2\"", "\"response_id\":null", .invalidJSON),
      ("\"window\":0", "\"window\":-1", .invalidJSON),
      ("\"window\":0", "\"window\":1", .invalidJSON),
      ("\"window\":0", "\"window\":3", .invalidJSON),
      ("\"window\":0", "\"window\":9223372036854775807", .invalidJSON),
      ("\"window\":0", "\"window\":1e99", .invalidJSON),
      ("\"boundaries\":[", "\"boundaries\":[-1", .invalidJSON),
      ("\"boundaries\":[", "\"boundaries\":[3", .invalidJSON),
      ("\"boundaries\":[", "\"boundaries\":[1,1", .invalidJSON),
      ("\"boundaries\":[", "\"boundaries\":[9223372036854775808", .invalidJSON),
      ("\"kinds\":[", "\"kinds\":[[0]", .invalidJSON),
      ("\"kinds\":[", "\"kinds\":[[2,\"plain\"]", .invalidJSON),
      ("\"kinds\":[", "\"kinds\":[[0,\"odd\"]", .invalidJSON),
      ("\"kinds\":[", "\"kinds\":[[0,\"dropped\"],[0,\"dropped\"]", .invalidJSON),
      ("\"open_calls\":[", "\"open_calls\":[1", .invalidJSON),
      ("\"items\":[", "\"items\":[1,", .invalidJSON),
      ("\"items\":[", "\"items\":{},\"x\":[", .invalidJSON),
      ("\"settings\":{", "\"settings\":{\"input\":[],", .invalidArgument),
    ])
  func malformed(_ change: (from: String, to: String, status: Status)) throws {
    let text = String(decoding: try sample(), as: UTF8.self)
    #expect(text.contains(change.from))
    let json = Array(text.replacing(change.from, with: change.to, maxReplacements: 1).utf8)
    let error = #expect(throws: ResponsesError.self) { try SavedSession(json: json) }
    #expect(error?.status == change.status)
  }

  @Test("bytes changed at random are refused, or make a session that can be used")
  func mutated() throws {
    let json = try sample()
    var random = SplitMix(state: 7)
    for _ in 0..<4000 {
      var changed = json
      for _ in 0...random.next(below: 3) {
        let place = random.next(below: changed.count)
        switch random.next(below: 4) {
        case 0: changed[place] = UInt8(truncatingIfNeeded: random.next(below: 256))
        case 1: changed.remove(at: place)
        case 2: changed.insert(changed[random.next(below: changed.count)], at: place)
        default: changed[place] = UInt8(ascii: "0") + UInt8(random.next(below: 10))
        }
      }
      guard let session = try? SavedSession(json: changed) else { continue }
      let driver = try MachineDriver(settings: Self.unstored)
      driver.machine.restore(session, as: driver.session)
      _ = try driver.start("[\(user)]", isAbandoningCalls: true)
      driver.open()
      driver.answer("r9")
      #expect(try JSONValue(parsing: saved(driver)).kind == .object)
    }
  }

  private struct SplitMix {
    var state: UInt64

    mutating func next(below bound: Int) -> Int {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      return Int((mixed ^ (mixed >> 31)) % UInt64(max(1, bound)))
    }
  }
}
