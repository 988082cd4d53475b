import RWSJSON
import RWSProtocol

/// What a caller knows of its session: the history as a plain HTTP client would keep it.
final class Agent {
  struct Manner {
    /// Gives its whole history with each turn.
    var isWhole = false
    /// … as its own JSON library writes it.
    var rewrites = false
    var steers = false
    /// Starts the next turn before the last one has ended.
    var isHasty = false
    var isSlow = false
  }

  let id: SessionID
  var manner = Manner()
  var history: [Int] = []
  var openCalls: [Int] = []
  /// Turns that have not ended, as the machine has them in line.
  var line: [TurnID] = []
  /// Turns to finish in the phase without faults.
  var remaining = 0
  var isStored = false
  var isClosed = false
  /// As its turns' stats had them.
  var inputTokens: Int64 = 0
  var model = "m"
  var instructions: String?
  var tools: String?
  /// A server that stores can load all of it.
  var isChainStored = false
  /// Of the last committed turn.
  var lastConnection: ConnectionID?
  var lastEnd: Int64 = 0
  var committed: SimTurn.Wanted?
  /// The turn that committed last.
  var committedTag = ""
  /// What was prepared may have been its own or a fork's.
  var hasDoubtfulCosts = false
  /// A turn since then was sent and did not end well: its response may take the context's place.
  var isInterrupted = false

  /// It was known at its end that there are lanes: nobody takes its own.
  var hasLane = false

  private var forms: [Int: String] = [:]

  init(_ id: SessionID) { self.id = id }

  var wanted: SimTurn.Wanted {
    SimTurn.Wanted(model: model, instructions: instructions ?? "", tools: tools ?? "")
  }

  func settings(turn: String) -> Settings {
    var json = #"{"model":"\#(model)","store":\#(isStored),"metadata":{"turn":"\#(turn)"}"#
    if let instructions { json += #","instructions":"\#(instructions)""# }
    if let tools { json += #","tools":\#(tools)"# }
    return (try? Settings(json: Array((json + "}").utf8))) ?? Settings()
  }

  /// An item as this caller writes it down.
  func form(of item: Int, in items: ItemTable) -> String {
    guard manner.rewrites else { return items[item].text }
    if let form = forms[item] { return form }
    let form = Self.rewritten(items[item].text)
    forms[item] = form
    return form
  }

  private static func rewritten(_ text: String) -> String {
    guard let value = try? JSONValue(parsing: text), value["type"] != nil,
      !value.members.contains(where: { $0.key == "n" })
    else { return text }
    let members = value.members.reversed().map {
      "\"\($0.key)\" : \(String(decoding: $0.value.bytes, as: UTF8.self))"
    }
    return "{ \(members.joined(separator: " , ")) }"
  }
}

/// One turn as its caller sees it.
final class SimTurn {
  struct Wanted: Equatable {
    let model: String
    let instructions: String
    let tools: String
  }

  let id: TurnID
  /// What the server calls it.
  let tag: String
  let agent: Agent
  let wanted: Wanted
  /// What the caller gave, and before it the steers that its request committed.
  var input: [Int] = []
  private(set) var steersAhead = 0
  var hasCommittedSteers: Bool { steersAhead > 0 }
  /// The caller gave another history than the one so far.
  var changedHistory: [Int]?
  /// The whole history that the caller gave with its input.
  var givenHistory: [Int]?
  /// What was there when it ended.
  var contextBefore: [Int]?
  let isStored: Bool
  var isWarmUp = false
  /// Where its request went.
  var connection: ConnectionID?
  /// The turn's own choice, else the client's.
  var transport = TransportChoice.webSocket
  var isUnread = false
  var isStrict = false
  /// Calls that its input does not answer are given up.
  var isAbandoning = false
  var end: TurnEnd?
  var ends = 0
  /// The response that it follows by itself; nil: the caller started it.
  var parent: String?
  private(set) var responseID = ""
  /// Somebody has steered it.
  var isSteered = false
  /// What the server said of its stored response, and when.
  var lookup: (state: StoredLookup.State?, at: Int64)?
  private var types: [String] = []
  private(set) var resends: [String] = []
  /// Of those, the ones of which the caller was told that they may run twice.
  private(set) var replays = 0
  var replay = ReplayPolicy.never
  var resendsMax = 4
  let start: Int64
  /// Of its last sending.
  var sentAt: Int64?
  /// A server that refused a connection asked for patience: this turn may be among those that are to wait.
  var mayBeToldToWait = false
  /// Its time limit.
  var total = Int64.max
  /// Since its request went out, something of the output was seen.
  private var hasOutput = false
  /// In any of its sendings.
  private(set) var hadOutput = false

  init(_ id: TurnID, tag: String, _ agent: Agent, wanted: Wanted, start: Int64) {
    self.id = id
    self.start = start
    self.tag = tag
    self.agent = agent
    self.wanted = wanted
    isStored = agent.isStored
  }

  var isSuccessor: Bool { parent != nil }

  func putAhead(_ steer: Int) {
    input.insert(steer, at: steersAhead)
    steersAhead += 1
  }

  private func noticed(_ event: Event) {
    guard let notice = try? JSONValue(parsing: event.json) else { return }
    switch notice["type"]?.string {
    case "rws.replayed":
      replays += 1
      if hasOutput, replay != .always { Violation.report("\(tag) was replayed after output was seen") }
    case "rws.resent": break
    default: return
    }
    resends.append(notice["reason"]?.string ?? "")
    // Its response begins anew.
    connection = nil
    hasOutput = false
    responseID = ""
    types = []
  }

  func received(_ event: Event) {
    if event.kind == .notice { noticed(event) }
    types.append(event.kind == .error ? "error" : event.type)
    if event.type.hasPrefix("response.output_") { (hasOutput, hadOutput) = (true, true) }
    if event.kind == .responseFailed, event.response.holds(#""output":[{"#) { hadOutput = true }
    guard event.type == "response.created" else { return }
    let id = event.response.utf8.split(separator: UInt8(ascii: "\"")).dropFirst(3).first ?? Substring().utf8
    if !responseID.isEmpty { types.append("(a second response \(id))") }
    responseID = String(Substring(id))
  }

  /// nil: created first, then output, the end last, each once.
  var orderProblem: String? {
    let seen = types.filter {
      $0.hasPrefix("response.") && !$0.hasPrefix("response.steer.") || $0 == "error" || $0.hasPrefix("(")
    }
    if let second = seen.first(where: { $0.hasPrefix("(") }) { return second }
    // A failure needs no beginning.
    if let first = seen.first, !["response.created", "error", "response.failed"].contains(first) {
      return "began with \(first)"
    }
    let ends = ["response.completed", "response.incomplete", "response.failed", "error"]
    if let end = seen.firstIndex(where: ends.contains), end != seen.count - 1 {
      return "went on after \(seen[end])"
    }
    return nil
  }
}

/// Input for a running response, as its caller sees it.
final class SimSteer {
  let id: SteerID
  let agent: Agent
  let item: Int
  var state = Steer.State.queued

  init(_ id: SteerID, _ agent: Agent, item: Int) {
    self.id = id
    self.agent = agent
    self.item = item
  }
}
