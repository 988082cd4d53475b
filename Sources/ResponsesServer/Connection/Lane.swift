/// One lane of a connection: its requests run one after the other, first in, first out.
struct Lane {
  /// A request that has not begun, and its place among all requests of the connection.
  struct Waiting {
    let request: ResponseRequest
    let arrival: Int
  }

  private(set) var waiting: [Waiting] = []
  var running: RunningResponse?

  mutating func enqueue(_ request: ResponseRequest, arrival: Int) {
    waiting.append(Waiting(request: request, arrival: arrival))
  }

  /// When the next request that could begin came; nil if none can.
  var nextArrival: Int? {
    running == nil ? waiting.first?.arrival : nil
  }

  mutating func dequeue() -> ResponseRequest? {
    waiting.isEmpty ? nil : waiting.removeFirst().request
  }
}

/// A response under way: all its events are written, and go out when they are due.
struct RunningResponse {
  struct DueEvent {
    let due: Int64
    let text: [UInt8]
  }

  /// What becomes of the caches at the terminal event.
  enum Outcome {
    case finished(CachedResponse, output: [Item])
    case failed
  }

  let id: String
  let previousResponseID: String?
  let isStored: Bool
  let outcome: Outcome
  let logRecord: [UInt8]?
  private let events: [DueEvent]
  private var next = 0

  init(
    id: String, request: ResponseRequest, outcome: Outcome, events: [DueEvent],
    logRecord: [UInt8]?
  ) {
    self.id = id
    previousResponseID = request.previousResponseID
    isStored = request.store
    self.outcome = outcome
    self.events = events
    self.logRecord = logRecord
  }

  var nextDue: Int64? { next < events.count ? events[next].due : nil }

  var isOver: Bool { next >= events.count }

  mutating func takeDue(_ now: Int64) -> [UInt8]? {
    guard next < events.count, events[next].due <= now else { return nil }
    defer { next += 1 }
    return events[next].text
  }
}
