import RWSJSON

/// The service as protocol.md has it, written independently of the client's machine: it reads requests as JSON
/// and keeps its own idea of every context.
final class ModelServer {
  struct Execution {
    let turn: String
    /// What the model saw: previous input and output, then the request's input.
    let context: [String]
    let output: [String]
    let responseID: String
  }

  /// Of the model, whatever connection it came over; survives restarts.
  private(set) var executions: [String: [Execution]] = [:]
  private var stored: [String: [String]] = [:]
  private var nextID = 0
  var random: SeededRandom
  let hasLanes: Bool
  /// Whether the client knew the end of that turn. While it does not, a fork of what the turn continues, or what goes on
  /// after the turn was cancelled, may come too late.
  var wasEndKnown: (_ turn: String, _ time: Int64) -> Bool = { _, _ in true }

  init(seed: UInt64, hasLanes: Bool) {
    random = SeededRandom(seed: seed)
    self.hasLanes = hasLanes
  }

  /// What one lane of one connection has in its cache.
  struct Lane {
    var latest: (id: String, context: [String])?
    var queue: [(request: JSONValue, sent: Int64)] = []
    var isRunning = false
  }

  func note(_ execution: Execution) {
    executions[execution.turn, default: []].append(execution)
  }

  func makeID(_ prefix: String) -> String {
    nextID += 1
    return "\(prefix)_\(nextID)"
  }

  func store(_ id: String, _ context: [String]) { stored[id] = context }
  func storedContext(_ id: String) -> [String]? { stored[id] }

  /// The answer of the model to a context: what comes out, and how it ends.
  func answer(_ turn: String) -> (output: [String], ending: Ending) {
    var output: [String] = []
    if random.oneIn(4) {
      output.append(
        #"{"id":"\#(makeID("rs"))","type":"reasoning","summary":[],"encrypted_content":"\#(random.next())"}"#)
    }
    if random.oneIn(3) {
      for _ in 0...random.below(3) {
        let call = makeID("call")
        output.append(
          #"{"id":"fc_\#(call)","type":"function_call","call_id":"\#(call)","name":"f","arguments":"{\"n\":1.0}","status":"completed"}"#)
      }
    } else if random.oneIn(12) {
      output.append(#"{"type":"vendor_item","n":9007199254740993,"s":"a\u0000b"}"#)
    } else {
      output.append(
        #"{"id":"\#(makeID("msg"))","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"to \#(turn)","annotations":[]}]}"#)
    }
    let ending: Ending =
      random.oneIn(20) ? .failed : random.oneIn(15) && !output.contains { $0.contains("_call") } ? .incomplete : .completed
    return (output, ending)
  }

  enum Ending { case completed, incomplete, failed }
}
