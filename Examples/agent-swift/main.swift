// agent-swift [--url URL] [DIRECTORY [QUESTION]]
//
// An agent that explores a directory over one WebSocket: the model asks for list_files, read_file and
// search, this program runs them and sends back only what they returned. Each turn reports the bytes
// sent against the bytes that the same request would have needed over HTTP.
//
// Against the service: $OPENAI_API_KEY, and if wanted $OPENAI_BASE_URL and $RWS_MODEL.

import FoundationEssentials
import Glibc
import ResponsesWS

var arguments = Array(CommandLine.arguments.dropFirst())
var options = ClientOptions()
if arguments.first == "--url", arguments.count > 1 {
  options.baseURL = arguments[1]
  options.apiKey = ""
  arguments.removeFirst(2)
}
// The local server's model "explorer" explores; see docs/explorer-tools.md.
let isLocal = options.baseURL != nil
let model =
  ProcessInfo.processInfo.environment["RWS_MODEL"] ?? (isLocal ? "explorer" : "gpt-5.2")
let tools = Tools(root: arguments.first ?? ".")
let question =
  arguments.count > 1
  ? arguments[1]
  : "How does this project work? Name the parts, follow one request through them, and cite files "
    + "and lines."

/// The library runs the loop; this program shows it.
func explore(_ session: Session) async throws -> Run {
  var options = Run.Options()
  options.maxTurns = 100
  options.onEvent = { event, _ in
    if event.kind == .outputTextDelta { show(event.delta) }
  }
  options.onTurn = { turn, results in
    if !turn.text.isEmpty { show("\n") }
    for result in results {
      let call = result.call
      show("  \(call.name) \(call.arguments) -> \(result.output.utf8.count) bytes\n")
    }
    report(turn.stats)
  }
  return try await session.run(question, tools: tools.functions, options: options)
}

func report(_ stats: TurnStats) {
  let first = tenths(Double(stats.firstEvent ?? 0) / 1e6)
  let total = tenths(Double(stats.end ?? 0) / 1e6)
  show(
    "[turn] sent \(stats.requestBytes) bytes, over HTTP \(stats.fullRequestBytes); "
      + "first event \(first) ms, total \(total) ms\n")
}

func tenths(_ value: Double) -> Double { (value * 10).rounded() / 10 }

func show(_ text: String) {
  print(text, terminator: "")
  fflush(nil)
}

do {
  let client = try Client(options)
  let session = try client.session(
    settings: #"""
      {"model":"\#(model)","store":false,
       "instructions":"You explore a source tree with your tools before you answer. Read what you cite; cite as path:line.",
       "tools":\#(Tools.declarations)}
      """#)
  let run = try await explore(session)
  let sent = run.turns.reduce(0) { $0 + $1.stats.requestBytes }
  let overHTTP = run.turns.reduce(0) { $0 + $1.stats.fullRequestBytes }
  let ratio = Double(overHTTP) / Double(max(1, sent))
  show(
    "\n\(run.turns.count) turns, \(run.results.count) tool calls: \(sent) bytes sent, "
      + "\(overHTTP) over HTTP (\(tenths(ratio)) times as many)\n")
  try client.close()
} catch {
  show("\(error)\n")
  exit(1)
}
