import RWSJSON
import Testing

@testable import ResponsesServer

@Suite struct FaultScriptTests {
  @Test("an error at the start of a turn, with headers, once; its parent is evicted")
  func errorAtStart() throws {
    let script = Script(
      faults: """
        [{"do":"error","turn":2,"status":429,"code":"rate_limit_exceeded",
          "headers":{"retry-after":"1"}}]
        """)
    let first = try script.create(#""input":"x","store":false"#)
    let chained = #""input":"x","store":false,"previous_response_id":"\#(first.responseID)""#
    let second = try script.create(chained)
    #expect(second.errorCode == "rate_limit_exceeded" && second.errorStatus == 429)
    #expect(second.error?["error"]?["headers"]?["retry-after"]?.string == "1")
    #expect(try script.create(chained).errorCode == "previous_response_not_found")
  }

  @Test("an error in the middle ends the response, which cannot be continued")
  func errorAtEvent() throws {
    let script = Script(faults: #"[{"do":"error","event":"response.output_text.delta"}]"#)
    let frames = try script.create(#""input":"x","store":true"#)
    #expect(frames.types.last == "error" && !frames.types.contains("response.completed"))
    #expect(try script.create(#""input":"x""#).text == "ECHO: x")
  }

  @Test("a response fails, or ends incomplete, in the middle")
  func endsEarly() throws {
    let script = Script(
      faults: """
        [{"do":"fail","event":0,"turn":1,"code":"rate_limit_exceeded"},
         {"do":"incomplete","event":"response.output_item.added","turn":2},
         {"do":"incomplete","event":"response.completed","turn":3,"reason":"max_messages"}]
        """)
    let failed = try script.create(#""input":"x","store":false"#)
    #expect(failed.types == ["response.failed"])
    #expect(failed.response?["error"]?["code"]?.string == "rate_limit_exceeded")
    let empty = try script.create(#""input":"x","store":false"#)
    #expect(empty.types == ["response.created", "response.in_progress", "response.incomplete"])
    #expect(empty.compactMap { $0["sequence_number"]?.int } == [0, 1, 2])
    let whole = try script.create(#""input":"one","store":false"#)
    #expect(whole.response?["incomplete_details"]?["reason"]?.string == "max_messages")
    let next = try script.create(
      #""input":"RECALL","store":false,"previous_response_id":"\#(whole.responseID)""#)
    #expect(next.text == "RECALL users=2 tools=0 first=one")
  }

  @Test("the connection ends at an event: closed, or cut after some bytes of it")
  func ends() throws {
    let closed = Script(faults: #"[{"do":"close","code":1012,"event":3}]"#)
    #expect(try closed.create(#""input":"x""#).count == 3)
    #expect(closed.closeCode == 1012)
    let cut = Script(faults: #"[{"do":"reset","event":0,"byte":7}]"#)
    #expect(try cut.create(#""input":"x""#).isEmpty)
    guard case .cut(let part, let count, let isReset)? = cut.faults.first else {
      Issue.record("no cut")
      return
    }
    #expect(part == Array(#"{"type""#.utf8) && count > 100 && isReset)
    #expect(try cut.create(#""input":"x""#).isEmpty)
  }

  @Test("events are left out, replaced or preceded by bytes")
  func bytes() throws {
    let script = Script(
      faults: """
        [{"do":"drop","event":"response.created"},{"do":"raw","hex":"8100","event":1},
         {"do":"bad-utf8","event":2,"instead":true}]
        """)
    let frames = try script.create(#""input":"x""#)
    #expect(frames.types.prefix(2) == ["response.in_progress", "response.content_part.added"])
    #expect(script.faults == [.raw([0x81, 0]), .raw([0x81, 4, 0x22, 0xC3, 0x28, 0x22])])
  }

  @Test("connection and turn choose, times counts, 0 is always")
  func matching() throws {
    let script = FaultScript()
    try script.add(
      Array(
        #"""
        {"faults":[{"do":"refuse","connection":2,"status":503},
        {"do":"cut","turn":2,"times":0},{"do":"drop","event":4,"times":2}]}
        """#.utf8))
    #expect(script.atUpgrade(connection: 1) == nil)
    #expect(script.atUpgrade(connection: 2) != nil)
    #expect(script.atUpgrade(connection: 2) == nil)
    for _ in 0..<3 {
      #expect(script.atStart(connection: 1, turn: 1) == nil)
      #expect(script.atStart(connection: 1, turn: 2) == .cut(bytes: nil, isReset: false))
    }
    #expect(script.at(connection: 1, turn: 1, event: 4, type: "x") == .drop)
    #expect(script.at(connection: 9, turn: 9, event: 4, type: "x") == .drop)
    #expect(script.at(connection: 1, turn: 1, event: 4, type: "x") == nil)
    script.clear()
    #expect(script.entries.isEmpty)
  }

  @Test(
    "a script with a mistake is refused whole, with the place",
    arguments: [
      ("{", "JSON"), ("{}", "faults"), (#"{"faults":[7]}"#, "faults[0]"),
      (#"{"faults":[{"do":"dance"}]}"#, "dance"), (#"{"faults":[{"do":"drop"}]}"#, "event"),
      (#"{"faults":[{"do":"cut"},{"do":"cut","evnt":1}]}"#, "faults[1]"),
      (#"{"faults":[{"do":"close","code":99}]}"#, "1000"),
      (#"{"faults":[{"do":"raw","hex":"8"}]}"#, "hex"),
    ])
  func mistakes(text: String, said: String) {
    let script = FaultScript()
    do throws(FaultScriptError) {
      try script.add(Array(text.utf8))
      Issue.record("taken")
    } catch {
      #expect(error.message.contains(said), "\(error.message)")
    }
    #expect(script.entries.isEmpty)
  }
}
