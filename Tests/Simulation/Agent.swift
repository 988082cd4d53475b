import RWSProtocol

/// What a caller knows of its session: the history as a plain HTTP client would keep it.
final class Agent {
  var history: [String] = []
  var openCalls: [String] = []
  var running: TurnID?
  /// Turns to finish in the phase without faults.
  var remaining = 0
  var isStored = false
  /// Gives its whole history with each turn.
  var isWhole = false

  func settings(turn: String) -> Settings {
    let json =
      #"{"model":"m","store":\#(isStored),"metadata":{"turn":"\#(turn)"}}"#
    return (try? Settings(json: Array(json.utf8))) ?? Settings()
  }
}

/// One turn as its caller sees it.
final class SimTurn {
  let id: TurnID
  let session: SessionID
  var input: [String] = []
  var contextBefore: [String] = []
  var ends = 0
  /// When the machine was told of the response's end.
  var terminalSeen: Int64?
  private(set) var responseID = ""
  private var types: [String] = []

  init(_ id: TurnID, _ session: SessionID) {
    self.id = id
    self.session = session
  }

  var tag: String { "turn-\(id.value)" }

  func received(_ event: Event) {
    types.append(event.type)
    guard event.type == "response.created" else { return }
    let id = event.response.split(separator: "\"").dropFirst(3).first ?? ""
    if !responseID.isEmpty { types.append("(a second response \(id))") }
    responseID = String(id)
  }

  /// nil: created first, then output, the end last, each once.
  var orderProblem: String? {
    let seen = types.filter { !$0.hasPrefix("rws.") }
    if let second = seen.first(where: { $0.hasPrefix("(") }) { return second }
    if let first = seen.first, first != "response.created", first != "error" {
      return "began with \(first)"
    }
    let ends = ["response.completed", "response.incomplete", "response.failed", "error"]
    if let end = seen.firstIndex(where: ends.contains), end != seen.count - 1 {
      return "went on after \(seen[end])"
    }
    return nil
  }
}
