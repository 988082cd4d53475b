/// One lane of a connection: its requests run one after the other, first in, first out. The successor of a
/// steered response goes before them all.
struct Lane {
  /// A request that has not begun, and its place among all requests of the connection.
  struct Waiting {
    let request: ResponseRequest
    /// Its place among the requests of the connection, from 1.
    let turn: Int
    /// Set when a fork waits for its parent to be looked up.
    var notBefore: Int64?
  }

  struct Successor {
    let request: ResponseRequest
    let steers: [Steer]
  }

  private(set) var waiting: [Waiting] = []
  var running: RunningResponse?
  var successor: Successor?
  /// Steers that wait for the outputs of their response's calls.
  var pending: [Steer] = []

  mutating func enqueue(_ request: ResponseRequest, turn: Int) {
    waiting.append(Waiting(request: request, turn: turn))
  }

  var isQuiet: Bool { running == nil && successor == nil && waiting.isEmpty }

  /// The request that is next, if the lane is free for it.
  var first: Waiting? {
    running == nil && successor == nil ? waiting.first : nil
  }

  mutating func delayFirst(until time: Int64) {
    if !waiting.isEmpty { waiting[0].notBefore = time }
  }

  mutating func dequeue() -> Waiting? {
    waiting.isEmpty ? nil : waiting.removeFirst()
  }
}
