import Testing

@testable import ResponsesServer

private func notebook(_ results: [(tool: String, arguments: String, text: String)]) -> Notebook {
  Notebook(
    results.enumerated().flatMap { index, result in
      [
        Item(
          kind: .call(.function), json: [], id: nil, callID: "c\(index)", name: result.tool,
          text: result.arguments),
        Item(
          kind: .output(.function), json: [], id: nil, callID: "c\(index)", text: result.text),
      ]
    })
}

@Suite struct NotebookTests {
  @Test("a listing teaches files and directories; errors and notes teach nothing")
  func listing() {
    let notes = notebook([
      ("list_files", #"{"path":"."}"#, "src/\n./a.md\nb c.txt\n(3 more)\n"),
      ("list_files", #"{"path":"no/"}"#, "error: no does not exist"),
    ])
    #expect(notes.directories == ["src"])
    #expect(notes.files == ["a.md", "b c.txt"])
    #expect(notes.listed == ["", "no"])
    #expect(notes.calls == 2)
  }

  @Test("a piece teaches its lines as they stand, and how long the file is")
  func piece() {
    let notes = notebook([
      (
        "read_file", #"{"path":"a.md","start_line":3,"end_line":5}"#,
        "a.md: lines 3-5 of 9\n3: x: y\n4: \n5:   12: z\r"
      )
    ])
    #expect(notes.line(3, of: "a.md") == "x: y")
    #expect(notes.line(4, of: "a.md") == "")
    #expect(notes.line(5, of: "a.md") == "  12: z")
    #expect(notes.line(6, of: "a.md") == nil)
    #expect(notes.pages["a.md"]?.lineCount == 9)
    #expect(notes.pages["a.md"]?.isWhollyAsked == false)
  }

  @Test("a match teaches its line, also in a file whose name holds a colon")
  func search() {
    let notes = notebook([
      (
        "search", #"{"pattern":"x"}"#,
        "a.c:7: int x = 1:2;\nodd:name.c:1: x\nno match here\n(more than 60 matches)"
      )
    ])
    #expect(notes.searches.first?.hits.map(\.path) == ["a.c", "odd:name.c"])
    #expect(notes.line(7, of: "a.c") == "int x = 1:2;")
    #expect(notes.line(1, of: "odd:name.c") == "x")
    #expect(notes.wasSearched("X"))
    #expect(notes.searches.first?.isCut == true)
  }

  @Test(
    "outputs of any kind are harmless",
    arguments: ["", ":", "1:", ":1:", "::::", "99999999999999999999: x", "\0", "a.md: lines x-y of z"])
  func harmless(text: String) {
    for tool in ["list_files", "read_file", "search", "other"] {
      for arguments in [#"{"path":"a.md","start_line":-5,"end_line":-9,"pattern":""}"#, "{", "7"] {
        #expect(notebook([(tool, arguments, text)]).calls == 1)
      }
    }
  }

  @Test("numbers at the edge of Int are no line numbers")
  func hugeNumbers() throws {
    let huge = String(Int.max)
    let read = #"{"path":"a.swift","start_line":\#(Int.min),"end_line":\#(Int.max - 1)}"#
    var context = Context()
    let texts = ["a.swift: lines 1-1 of \(huge)\n1: struct Abcdef {\n\(huge): x", "a.swift:\(huge): x"]
    for (index, text) in texts.enumerated() {
      let name = index == 0 ? "read_file" : "search"
      try context.append(
        Item(
          kind: .call(.function), json: [], id: nil, callID: "c\(index)", name: name, text: read),
        tokens: 0)
      try context.append(
        Item(kind: .output(.function), json: [], id: nil, callID: "c\(index)", text: text),
        tokens: 0)
    }
    let tools = ["list_files", "read_file", "search"].map { ModelInput.Tool(name: $0) }
    #expect(!ExplorerModel().answer(ModelInput(context: context, tools: tools)).items.isEmpty)
    #expect(Notebook(context.items).pages["a.swift"]?.lines.count == 1)
  }

  @Test("a question is heard as its names and telling words")
  func question() {
    let question = Question("How does the WebSocketChannel parse frames, and who calls send_text?")
    #expect(question.stems == ["websocketchannel", "send_text", "parse", "frame", "call"])
    #expect(Question("").stems.isEmpty)
  }

  @Test("declarations and imports are told from other lines")
  func lines() {
    #expect(SourceLine.declaredName("  package struct Lane: Sendable {") == "Lane")
    #expect(SourceLine.declaredName("def read_all(self):") == "read_all")
    #expect(SourceLine.declaredName("/// struct Lane") == nil)
    #expect(SourceLine.declaredName("@Suite struct LaneTests {") == "LaneTests")
    #expect(SourceLine.declaredName("@c(rws_x) public func rws_x()") == "rws_x")
    #expect(SourceLine.declaredName("typedef struct rws_client rws_client;") == "rws_client")
    #expect(SourceLine.declaredName("typedef int32_t rws_status;") == nil)
    #expect(SourceLine.declaredName("of any type without a name") == nil)
    #expect(SourceLine.declaredName("return x.func(name)") == nil)
    #expect(SourceLine.declaredName("static func == (a: X, b: X) -> Bool {") == nil)
    #expect(SourceLine.declaredName("let x = 1") == nil)
    #expect(SourceLine.importedNames("#include \"responsesws.h\"") == ["responsesws"])
    #expect(SourceLine.importedNames("from kitchen.oven import Oven") == ["kitchen", "oven", "Oven"])
    #expect(SourceLine.importedNames("# import nothing").isEmpty)
    #expect(SourceLine.importedNames("let module = x").isEmpty)
  }
}
