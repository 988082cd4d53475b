/// What one lane of one connection has in its cache, and what runs there.
struct ServerLane {
  struct Cached {
    let id: String
    let turn: String
    let context: [Int]
    let instructions: String
    /// All of it could be loaded again.
    let isStored: Bool
  }

  /// Input for a response that runs.
  struct Steer {
    let id: String
    let input: [String]
    /// The number that the caller wrote into the text.
    let number: Int
  }

  var latest: Cached?
  var queue: [(request: ServerRequest, sent: Int64)] = []
  var running: RunningResponse?
  /// Steers that wait for the outputs of this response's calls.
  var pending: (parent: String, steers: [Steer])?
  var isBusy = false
  /// A successor is about to begin.
  var isSuccessorDue = false
}

/// A response on its way: its events, and what it changes when it ends.
final class RunningResponse {
  let id: String
  let turn: String
  let sent: Int64
  let request: ServerRequest
  let context: [Int]
  let settings: ModelServer.Instructions
  let isStored: Bool
  let isDelta: Bool
  var output: [Int]
  var ending: ModelOutput.Ending
  /// And the item that each is the last one of.
  var events: [(text: String, item: Int?)] = []
  var shown: Set<Int> = []
  var steers: [ServerLane.Steer] = []
  var isWarmUp: Bool { request.isWarmUp }
  /// At the head of its input.
  var steersAhead: [ServerLane.Steer] = []
  /// The response that it follows by itself; nil: somebody asked for it.
  var parent: String?
  /// It has ended, whoever was told.
  var isOver = false
  /// The first steer ends it early.
  var isInterrupted = false

  init(
    id: String, turn: String, sent: Int64, request: ServerRequest, context: [Int],
    settings: ModelServer.Instructions, isStored: Bool, isDelta: Bool, output: [Int],
    _ ending: ModelOutput.Ending
  ) {
    self.id = id
    self.turn = turn
    self.sent = sent
    self.request = request
    self.context = context
    self.settings = settings
    self.isStored = isStored
    self.isDelta = isDelta
    self.output = output
    self.ending = ending
  }
}
