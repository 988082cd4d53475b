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

struct Totals {
  var turns = 0
  var calls = 0
  var sent = 0
  var overHTTP = 0
}

func explore(_ session: Session) async throws -> Totals {
  var totals = Totals()
  var input = [InputItem.user(question)]
  for _ in 1...100 {
    let turn = try session.start(input)
    for try await event in turn where event.kind == .outputTextDelta {
      show(event.delta)
    }
    if !turn.text.isEmpty { show("\n") }
    input = turn.calls.map { call in
      let output = tools.run(call.name, arguments: call.arguments)
      show("  \(call.name) \(call.arguments) -> \(output.utf8.count) bytes\n")
      return call.output(output)
    }
    totals.turns += 1
    totals.calls += turn.calls.count
    totals.sent += turn.stats.requestBytes
    totals.overHTTP += turn.stats.fullRequestBytes
    report(turn.stats, totals.turns)
    if input.isEmpty { return totals }
  }
  throw ResponsesError(.limit, "There was no answer after 100 turns.")
}

func report(_ stats: TurnStats, _ number: Int) {
  let first = tenths(Double(stats.firstEvent ?? 0) / 1e6)
  let total = tenths(Double(stats.end ?? 0) / 1e6)
  show(
    "[turn \(number)] sent \(stats.requestBytes) bytes, over HTTP \(stats.fullRequestBytes); "
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
  let totals = try await explore(session)
  let ratio = Double(totals.overHTTP) / Double(max(1, totals.sent))
  show(
    "\n\(totals.turns) turns, \(totals.calls) tool calls: \(totals.sent) bytes sent, "
      + "\(totals.overHTTP) over HTTP (\(tenths(ratio)) times as many)\n")
  try client.close()
} catch {
  show("\(error)\n")
  exit(1)
}
