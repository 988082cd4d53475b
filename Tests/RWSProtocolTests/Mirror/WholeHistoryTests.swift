import RWSJSON
import Testing

@testable import RWSProtocol

/// Callers that give their whole history with each turn, as over HTTP.
@Suite struct WholeHistoryTests {
  private let one = #"{"role":"user","content":"one"}"#
  private let two = #"{"role":"user","content":"two"}"#

  /// One turn with `one` is committed; its answer was the message `m`.
  private func begun(_ settings: String = #"{"model":"m","store":false}"#) throws
    -> (driver: MachineDriver, answer: String)
  {
    let driver = try MachineDriver(settings: settings)
    try driver.start(history: "[\(one)]")
    driver.open()
    driver.answer("r1")
    return (driver, Wire.message("r1", "hello"))
  }

  private func sentItems(_ driver: MachineDriver, _ turn: TurnID) -> [String] {
    (driver.request(turn)?.body["input"]?.elements ?? []).map { String(decoding: $0.bytes, as: UTF8.self) }
  }

  @Test("Unchanged bytes and something new: only that is sent, after the id")
  func sameBytes() throws {
    let (driver, answer) = try begun()
    let turn = try driver.start(history: "[\(one),\(answer),\(two)]")
    #expect(driver.request(turn)?.previousResponseID == "r1")
    #expect(sentItems(driver, turn) == [two])
  }

  @Test("A compaction item does not make the history before it unknown: what follows is a delta")
  func compaction() throws {
    let (driver, answer) = try begun()
    let compaction = #"{"id":"cmp","type":"compaction","encrypted_content":"x"}"#
    try driver.start(history: "[\(one),\(answer),\(two)]")
    driver.receive(
      Wire.created("r2"), #"{"type":"response.output_item.done","output_index":0,"item":\#(compaction)}"#,
      Wire.completed("r2"))
    let turn = try driver.start(history: "[\(one),\(answer),\(two),\(compaction),\(one)]")
    #expect(driver.request(turn)?.previousResponseID == "r2")
    #expect(sentItems(driver, turn) == [one])
  }

  @Test("White space between items is the caller's")
  func whiteSpace() throws {
    let (driver, answer) = try begun()
    let turn = try driver.start(history: "[\n  \(one) ,\n\t\(answer)\n,\(two)\n]\n")
    #expect(driver.request(turn)?.previousResponseID == "r1")
    driver.answer("r2")
    let third = try driver.start(
      history: "[\n  \(one) ,\n\t\(answer)\n,\(two)\n,\(Wire.message("r2", "hello")), \(one)]")
    #expect(driver.request(third)?.previousResponseID == "r2" && sentItems(driver, third) == [one])
  }

  @Test(
    "A response's items that another JSON library wrote anew are the same",
    arguments: [
      // Other order, no id, no status.
      #"{"role":"assistant","content":[{"annotations":[],"text":"hello","type":"output_text"}],"type":"message"}"#,
      // White space, nulls, empty lists, escapes, a field of the SDK.
      #"{ "type" : "message", "id": "msg_r1", "role": "assistant", "status": "completed", "phase": null, "content": [ {"type": "output_text", "text": "h\u0065llo", "annotations": [], "logprobs": [], "parsed": {"a": 1}} ] }"#,
      // No annotations.
      #"{"id":"msg_r1","type":"message","role":"assistant","content":[{"type":"output_text","text":"hello"}]}"#,
      // No type.
      #"{"role":"assistant","content":[{"type":"output_text","text":"hello"}]}"#,
    ])
  func reserialised(_ answer: String) throws {
    let (driver, _) = try begun()
    let turn = try driver.start(history: "[\(one), \(answer), \(two)]")
    #expect(driver.request(turn)?.previousResponseID == "r1")
    #expect(sentItems(driver, turn) == [two])
    // From now on the caller's own bytes are what is compared.
    driver.answer("r2")
    let third = try driver.start(
      history: "[\(one), \(answer), \(two), \(Wire.message("r2", "hello")), \(one)]")
    #expect(driver.request(third)?.previousResponseID == "r2" && sentItems(driver, third) == [one])
  }

  @Test(
    "A difference sends everything and says where it is",
    arguments: [
      (#"[{"role":"user","content":"ONE"},@,#]"#, "input[0].content"),
      (#"[{"role":"user","content":"one"},{"role":"assistant","content":[{"type":"output_text","text":"bye"}]},#]"#, "input[1].content[0].text"),
      (#"[{"role":"user","content":"one"}]"#, "input[1]"),
      (#"[#]"#, "input[0].content"),
      (#"[{"role":"user","content":"one","extra":1.0},@,#]"#, "input[0].extra"),
      (#"[{"role":"user","content":"one"},{"id":"msg_other","type":"message","role":"assistant","content":[{"type":"output_text","text":"hello","annotations":[]}]},#]"#, "input[1].id"),
    ])
  func different(_ history: String, _ path: String) throws {
    let (driver, answer) = try begun()
    let history = history.split(separator: "@", omittingEmptySubsequences: false).joined(separator: answer)
      .split(separator: "#", omittingEmptySubsequences: false).joined(separator: two)
    let turn = try driver.start(history: history)
    let request = try #require(driver.request(turn))
    #expect(request.previousResponseID == nil)
    #expect("[" + sentItems(driver, turn).joined(separator: ",") + "]" == history)
    driver.answer(request, "r2")
    #expect(driver.ends[turn]?.stats.fullReason == .prefixChanged(path))
    // What it gave is the history from now on.
    let next = try driver.start(
      history: history.dropLast() + "," + Wire.message("r2", "hello") + "," + one + "]")
    #expect(driver.request(next)?.previousResponseID == "r2" && sentItems(driver, next) == [one])
  }

  @Test("A changed history whose turn fails changes nothing")
  func changedAndFailed() throws {
    let (driver, answer) = try begun(#"{"model":"m"}"#)
    let turn = try driver.start(history: "[\(two)]")
    driver.receive(Wire.error("invalid_prompt"))
    #expect(driver.ends[turn]?.outcome == .failed)
    let next = try driver.start(history: "[\(one),\(answer),\(two)]")
    #expect(sentItems(driver, next) == [two])
  }

  @Test("After a lost connection everything is sent, in the caller's form, without what the service refuses")
  func replay() throws {
    let (driver, _) = try begun()
    let answer =
      #"{"id":"msg_r1","type":"message","role":"assistant","content":[{"type":"output_text","text":"hello","parsed":null}],"created_by":"x"}"#
    let second = try driver.start(history: "[\(one),\(answer),\(two)]")
    #expect(driver.request(second)?.previousResponseID == "r1")
    driver.answer("r2")
    driver.lose()
    let turn = try driver.start(
      history: "[\(one),\(answer),\(two),\(Wire.message("r2", "hello")),\(one)]")
    driver.open()
    #expect(
      sentItems(driver, turn) == [
        one,
        #"{"id":"msg_r1","type":"message","role":"assistant","content":[{"type":"output_text","text":"hello"}]}"#,
        two, Wire.message("r2", "hello"), one,
      ])
    driver.answer("r3")
    #expect(driver.ends[turn]?.stats.fullReason == .reconnected)
    #expect(driver.ends[turn]?.stats.requestBytes != nil)
  }

  @Test("A history in the caller's own form may wait for a connection, and be sent again")
  func placedTwice() throws {
    let (driver, _) = try begun()
    driver.lose()
    let answer =
      #"{"type":"message","id":"msg_r1","role":"assistant","status":"completed","content":[{"text":"hello","type":"output_text","annotations":[]}]}"#
    let turn = try driver.start(history: "[\(one),\(answer),\(two)]")
    driver.open()
    #expect(sentItems(driver, turn) == [one, answer, two])
    driver.answer("r2")
    let next = try driver.start(
      history: "[\(one),\(answer),\(two),\(Wire.message("r2", "hello").dropLast()) },\(one)]")
    driver.receive(Wire.error("previous_response_not_found"))
    #expect(driver.ends[next] == nil && sentItems(driver, next).count == 5)
    driver.answer("r3")
    #expect(driver.ends[next]?.outcome == .completed)
  }

  @Test("Behind long items and short ones, whatever was written anew is found, and the rest stays as it is")
  func manyTurns() throws {
    let driver = try MachineDriver()
    var items: [String] = []
    for turn in 1...40 {
      let text = String(repeating: "x", count: turn % 3 == 0 ? 3000 : 20)
      items.append(#"{"role":"user","content":"\#(turn) \#(text)","name":null}"#)
      let id = try driver.start(history: "[\(items.joined(separator: ","))]")
      if turn == 1 { driver.open() }
      #expect(driver.request(id)?.previousResponseID == (turn == 1 ? nil : "r\(turn - 1)"))
      #expect(sentItems(driver, id).count == 1)
      driver.answer("r\(turn)")
      // Each answer in another form than the last.
      items.append(
        turn % 2 == 0
          ? Wire.message("r\(turn)", "hello")
          : #"{"type":"message","id":"msg_r\#(turn)","role":"assistant","content":[{"type":"output_text","text":"hello"}]}"#)
    }
    driver.lose()
    let last = try driver.start(history: "[\(items.joined(separator: ","))]")
    driver.open()
    #expect(sentItems(driver, last) == items)
  }

  @Test("A compaction item in the caller's own form begins the window, whatever was written anew around it")
  func compactionWindow() throws {
    let compaction = #"{"id":"cmp_1","type":"compaction","encrypted_content":"x"}"#
    let driver = try MachineDriver()
    try driver.start(history: "[\(one)]")
    driver.open()
    driver.receive(
      Wire.created("r1"), Wire.itemDone(Wire.message("a", "before"), at: 0),
      Wire.itemDone(compaction, at: 1), Wire.itemDone(Wire.message("b", "after"), at: 2),
      Wire.completed("r1"))
    func rewritten(_ id: String, _ text: String) -> String {
      #"{"id":"msg_\#(id)","type":"message","role":"assistant","content":[{"type":"output_text","text":"\#(text)"}]}"#
    }
    let history = [one, rewritten("a", "before"), compaction, rewritten("b", "after"), two]
    let second = try driver.start(history: "[\(history.joined(separator: ", "))]")
    #expect(driver.request(second)?.previousResponseID == "r1" && sentItems(driver, second) == [two])
    driver.answer("r2")
    driver.lose()
    let third = try driver.start(
      history: "[\((history + [rewritten("r2", "hello"), one]).joined(separator: ", "))]")
    driver.open()
    #expect(sentItems(driver, third) == history.dropFirst(2) + [rewritten("r2", "hello"), one])
    let replayed = driver.machine.history(driver.session).replayedBytes(isStored: false)
    #expect(replayed == (history.dropFirst(2) + [rewritten("r2", "hello")]).joined(separator: ", ").utf8.count)
  }

  @Test("Append and whole-history style may take turns in one session")
  func mixed() throws {
    let (driver, answer) = try begun()
    let second = try driver.start("[\(two)]")
    #expect(driver.request(second)?.previousResponseID == "r1")
    driver.answer("r2")
    let third = try driver.start(
      history: "[\(one), \(answer), \(two), \(Wire.message("r2", "hello")), \(one)]")
    #expect(driver.request(third)?.previousResponseID == "r2" && sentItems(driver, third) == [one])
  }

  @Test("A history that was compared before another turn ended is refused, not sent wrongly")
  func moved() throws {
    let (driver, answer) = try begun()
    try driver.start("[\(two)]")
    let late = try driver.start(history: "[\(one),\(answer),\(one)]")
    driver.answer("r2")
    #expect(driver.ends[late]?.error?.status == .busy)
    #expect(driver.ends[late]?.error?.execution == .notSent)
  }

  @Test("What is no array of items is refused", arguments: ["", "{}", "[1]", #"[{"a":1}"#, "[{}] x", "[{},]"])
  func malformed(_ history: String) throws {
    let driver = try MachineDriver()
    #expect(throws: ResponsesError.self) { try driver.start(history: history) }
    let (begun, answer) = try begun()
    #expect(throws: ResponsesError.self) { try begun.start(history: "[\(one),\(answer) \(history)") }
  }
}
