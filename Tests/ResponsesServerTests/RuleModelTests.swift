import Testing

@testable import ResponsesServer

private func user(_ text: String) -> Item {
  Item(kind: .message(.user), json: [], id: nil, text: text)
}

private func output(_ text: String) -> Item {
  Item(kind: .output(.function), json: [], id: nil, callID: "c", text: text)
}

private func call() -> Item {
  Item(kind: .call(.function), json: [], id: nil, callID: "c", name: "f", text: "{}")
}

private func answer(_ items: [Item], tools: [ModelInput.Tool] = []) throws -> ModelAnswer {
  var context = Context()
  for item in items { try context.append(item, tokens: 0) }
  return RuleModel().answer(ModelInput(context: context, tools: tools))
}

private let tools = [ModelInput.Tool(name: "f"), ModelInput.Tool(name: "g", isCustom: true)]

@Suite struct RuleModelTests {
  @Test("anything else is echoed")
  func echo() throws {
    #expect(try answer([user("hi")]) == ModelAnswer([.message("ECHO: hi", phase: nil)]))
    #expect(try answer([]) == ModelAnswer([.message("ECHO: ", phase: nil)]))
  }

  @Test("TOOL LOOP and any tool output call the first tool with the number of outputs seen")
  func toolLoop() throws {
    let first = try answer([user("TOOL LOOP")], tools: tools)
    #expect(first.items == [.functionCall(name: "f", arguments: #"{"seen": 0}"#)])
    let second = try answer([user("TOOL LOOP"), call(), output("x")], tools: tools)
    #expect(second.items == [.functionCall(name: "f", arguments: #"{"seen": 1}"#)])
    let custom = try answer([user("TOOL LOOP")], tools: [tools[1]])
    #expect(custom.items == [.customCall(name: "g", input: #"{"seen": 0}"#)])
  }

  @Test(
    "the loop is done when nothing remains, and only then",
    arguments: [
      (#""remaining": 0"#, true), (#"{"remaining":0}"#, true), (#""remaining": 0.0"#, false),
      (#""remaining": 10"#, false), (#""remaining": 01"#, false), (#""remaining": -0"#, false),
      (#""remaining""#, false), (#""remaining":"#, false), ("", false),
      (#""remaining": 1 "remaining": 0"#, true), (#""remaining": 0e1"#, false),
    ])
  func loopDone(text: String, isDone: Bool) throws {
    let items = try answer([user("x"), call(), output(text)], tools: tools).items
    #expect((items == [.message("LOOP DONE", phase: nil)]) == isDone)
  }

  @Test("a user text after a tool output decides")
  func laterTextDecides() throws {
    let items = try answer([call(), output("x"), user("hi")], tools: tools).items
    #expect(items == [.message("ECHO: hi", phase: nil)])
  }

  @Test("numbers are bounded: calls at once, milliseconds, digits")
  func bounds() throws {
    #expect(try answer([user("PARALLEL 5")], tools: tools).items.count == 5)
    #expect(try answer([user("PARALLEL 999999")], tools: tools).items.count == 64)
    #expect(try answer([user("PARALLEL 0")], tools: tools).items.count == 1)
    #expect(try answer([user("PARALLEL many")], tools: tools).items == [
      .message("ECHO: PARALLEL many", phase: nil)
    ])
    #expect(try answer([user("SLOW 250")]).spreadMilliseconds == 250)
    #expect(try answer([user("SLOW down, SLOW 7")]).spreadMilliseconds == 7)
    #expect(try answer([user("SLOW 999999999")]).spreadMilliseconds == 3_600_000)
    #expect(try answer([user("SLOW 9999999999")]).spreadMilliseconds == nil)
    #expect(try answer([user("SLOW")]).spreadMilliseconds == nil)
  }

  @Test("REASON and SLOW go with everything, as long as no other user text comes")
  func modifiers() throws {
    let loop = try answer(
      [user("REASON SLOW 10 TOOL LOOP"), call(), output("x")], tools: tools)
    #expect(loop.items.count == 2)
    #expect(loop.items.last == .functionCall(name: "f", arguments: #"{"seen": 1}"#))
    #expect(loop.spreadMilliseconds == 10)
    #expect(try answer([user("REASON"), user("hi")]).items.count == 1)
  }
}
