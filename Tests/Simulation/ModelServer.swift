import RWSJSON

/// The service as protocol.md has it, written independently of the client's machine: it reads requests as JSON
/// and keeps its own idea of every context.
final class ModelServer {
  /// Settings as the model sees them.
  struct Instructions: Equatable {
    var model = ""
    var instructions = ""
    var tools = ""
  }

  struct Execution {
    let turn: String
    /// What the model saw: previous input and output, then the request's input.
    let context: [Int]
    let settings: Instructions
    fileprivate(set) var output: [Int]
    let responseID: String
    /// The response that it followed by itself; nil: somebody asked for it.
    let parent: String?
    /// It continued what the server held.
    let isDelta: Bool
  }

  struct Stored {
    let context: [Int]
    let instructions: String
  }

  let conditions: Conditions
  let items: ItemTable
  var random: SeededRandom
  var hasFaults = true
  /// Of the model, whatever connection it came over; survives restarts.
  private(set) var executions: [String: [Execution]] = [:]
  /// How often each steer's text went into a context by itself.
  private(set) var appliedSteers: [Int: Int] = [:]
  /// The caller's number of each that the server has accepted.
  var steerNumbers: [String: Int] = [:]
  private var stored: [String: Stored] = [:]
  private var nextID = 0
  /// Stored responses.
  private(set) var begun: [String: RunningResponse] = [:]
  /// When the client was told of that turn's end; nil: not yet. Until then a fork of what the turn continues, or what
  /// goes on after the turn was cancelled, may come too late.
  var endTold: (_ turn: String) -> Int64? = { _ in nil }
  /// Whether anybody still waits for that turn.
  var isAwaited: (_ turn: String) -> Bool = { _ in true }
  var areOfTwoSessions: (_ turn: String, _ other: String) -> Bool = { _, _ in false }

  init(_ conditions: Conditions, _ items: ItemTable, seed: UInt64) {
    self.conditions = conditions
    self.items = items
    random = SeededRandom(seed: seed)
  }

  func note(_ execution: Execution) { executions[execution.turn, default: []].append(execution) }

  func keep(_ response: RunningResponse) {
    if response.request.isStored, !response.isWarmUp { begun[response.id] = response }
  }

  /// It failed without any output: that counts as a refusal, and may be asked for again.
  func withdraw(_ turn: String, _ responseID: String) {
    executions[turn]?.removeAll { $0.responseID == responseID }
  }

  /// The response ended early.
  func cut(_ turn: String, _ responseID: String, _ output: [Int]) {
    guard let index = executions[turn]?.firstIndex(where: { $0.responseID == responseID }) else { return }
    executions[turn]?[index].output = output
  }

  func noteApplied(_ steer: Int) { appliedSteers[steer, default: 0] += 1 }

  /// What `retry-after` says.
  static let patience: Int64 = 1_000_000
  /// Turns that are not to be sent again for so long.
  private var patienceAsked: Set<String> = []

  func askPatience(of turn: String) { patienceAsked.insert(turn) }
  func asksPatience(of turn: String) -> Bool { patienceAsked.contains(turn) }
  func endPatience(of turn: String) { patienceAsked.remove(turn) }

  func makeID(_ prefix: String) -> String {
    nextID += 1
    return "\(prefix)_\(nextID)"
  }

  func store(_ id: String, _ context: Stored) { stored[id] = context }
  func storedContext(_ id: String) -> Stored? { stored[id] }
}
