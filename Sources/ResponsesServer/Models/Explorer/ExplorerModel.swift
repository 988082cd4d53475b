import RWSJSON

/// Explores a directory with the client's tools and answers a question about it.
///
/// Stateless: each turn reads the whole context again, notes what the tools have returned (`Notebook`), and
/// decides the next call from that (`Itinerary`). It ends with a report that cites only lines which a tool
/// has shown (`Report`). The tools' contract is docs/explorer-tools.md. A tool that the request does not
/// offer is not called.
package struct ExplorerModel: Model {
  package init() {}

  package func answer(_ input: ModelInput) -> ModelAnswer {
    let question = Question(input.lastUserText)
    let notebook = Notebook(input.context.items)
    let relevance = Relevance(question, notebook)
    let itinerary = Itinerary(
      question: question, notebook: notebook, relevance: relevance,
      offered: Set(input.tools.filter { !$0.isCustom }.map(\.name)))
    guard let step = itinerary.next() else {
      let report = Report(question: question, notebook: notebook, relevance: relevance)
      return ModelAnswer([.message(report.text, phase: .finalAnswer)])
    }
    let call = ModelAnswer.Item.functionCall(name: step.tool, arguments: step.arguments)
    guard let remark = step.remark else { return ModelAnswer([call]) }
    return ModelAnswer([.message(remark, phase: .commentary), call])
  }
}

/// One tool call, and what the explorer says before it.
struct Step: Equatable {
  let tool: String
  let arguments: String
  let remark: String?

  static func list(_ path: String, remark: String? = nil) -> Step {
    Step(tool: "list_files", remark: remark) { $0.member("path", path.isEmpty ? "." : path) }
  }

  static func read(_ path: String, _ lines: ClosedRange<Int>, remark: String? = nil) -> Step {
    Step(tool: "read_file", remark: remark) { writer in
      writer.member("path", path)
      writer.member("start_line", lines.lowerBound)
      writer.member("end_line", lines.upperBound)
    }
  }

  static func search(_ pattern: String, in path: String = "", remark: String? = nil) -> Step {
    Step(tool: "search", remark: remark) { writer in
      writer.member("pattern", pattern)
      writer.member("path", path.isEmpty ? "." : path)
    }
  }

  private init(tool: String, remark: String?, _ write: (inout JSONWriter) -> Void) {
    var writer = JSONWriter()
    writer.beginObject()
    write(&writer)
    writer.endObject()
    self.tool = tool
    self.remark = remark
    arguments = String(decoding: writer.bytes, as: UTF8.self)
  }
}
