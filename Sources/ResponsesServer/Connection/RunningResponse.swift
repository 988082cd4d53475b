/// A response under way: its events are written, and go out when they are due. It may still be cut short.
struct RunningResponse {
  struct DueEvent {
    let due: Int64
    let text: EventText
  }

  /// What becomes of the caches at the terminal event.
  enum Outcome {
    /// `input`: what the model saw; `json`: the response object, for the store.
    case finished(CachedResponse, input: ArraySlice<Item>, output: [Item], json: [UInt8])
    case failed(input: ArraySlice<Item>, json: [UInt8])
  }

  /// The terminal event and what it means.
  struct Conclusion {
    var event: EventText
    var outcome: Outcome
    var logRecord: [UInt8]?
    var cost: CostRecord?
  }

  let id: String
  let turn: Int
  let request: ResponseRequest
  private let script: Execution.Script
  private(set) var conclusion: Conclusion
  private var events: [DueEvent]
  private var next = 0
  private(set) var numbersGiven = 0
  /// When its first event went out.
  private(set) var beganAt: Int64 = 0
  /// After so long a silence a `keepalive` is sent; nil: never.
  private let keepAlive: Int64?
  private var lastSent: Int64
  /// Accepted, and not yet part of a context.
  private(set) var steers: [Steer] = []
  /// Cut by a fault of the script: nothing more is to be told or kept.
  var isAbandoned = false

  init(turn: Int, _ script: Execution.Script, keepAlive: Int64? = nil, from now: Int64) {
    self.turn = turn
    self.keepAlive = keepAlive
    lastSent = now
    self.script = script
    id = script.object.id
    request = script.request
    conclusion = script.conclude(
      keeping: script.items.count, script.ending, at: now &+ script.pace.total)
    events = script.pace.schedule(script.events + [conclusion.event], from: now)
  }

  var nextDue: Int64? {
    guard next < events.count else { return nil }
    return min(events[next].due, keepAliveDue ?? .max)
  }

  private var keepAliveDue: Int64? { keepAlive.map { lastSent &+ $0 } }

  var isOver: Bool { next >= events.count || isAbandoned }

  mutating func takeNumber() -> Int {
    defer { numbersGiven += 1 }
    return numbersGiven
  }

  mutating func takeDue(_ now: Int64) -> [UInt8]? {
    guard next < events.count, !isAbandoned, events[next].due <= now else { return nil }
    defer { next += 1 }
    if next == 0 { beganAt = now }
    lastSent = now
    return events[next].text.numbered(takeNumber())
  }

  /// SDKs type it as `{type, sequence_number}`.
  mutating func takeKeepAlive(_ now: Int64, lane: String?, _ dialect: Dialect) -> [UInt8]? {
    guard !isOver, let due = keepAliveDue, due <= now else { return nil }
    lastSent = now
    return EventWriter("keepalive", dialect: dialect).finish(lane: lane).numbered(takeNumber())
  }

  // MARK: Cutting short

  /// Ends the response after the item under way, unless that or an earlier one is a call: then it ends by
  /// itself, because the client owes an output before anything can follow.
  mutating func steer(_ steer: Steer, _ now: Int64) {
    steers.append(steer)
    let under = script.itemEnds.firstIndex { $0 > next } ?? script.items.count
    guard under < script.items.count else { return }
    let start = under == 0 ? Execution.Script.firstItemEvent : script.itemEnds[under - 1]
    let kept = next > start ? under + 1 : under
    guard kept < script.items.count, !script.items.prefix(kept).contains(where: \.answer.isCall)
    else { return }
    let end = kept == under ? start : script.itemEnds[under]
    cut(keeping: kept, at: max(next, end), "steered", now)
  }

  /// Ends the response at once; an item under way is not part of it.
  mutating func interrupt(_ now: Int64) {
    let whole = script.itemEnds.count { $0 <= next }
    cut(keeping: whole, at: max(next, Execution.Script.firstItemEvent), "interrupted", now)
  }

  /// Ends the response with an event in place of `text`, the one that `takeDue` gave last.
  mutating func end(_ ending: ModelAnswer.Ending, insteadOf text: [UInt8], _ now: Int64) -> [UInt8] {
    conclusion = script.conclude(
      keeping: script.itemEnds.count { $0 < next }, ending, at: now)
    events.removeSubrange(min(next, events.count)...)
    return conclusion.event.numbered(numbersGiven - 1)
  }

  private mutating func cut(keeping kept: Int, at end: Int, _ reason: String, _ now: Int64) {
    guard end < events.count, next < events.count else { return }
    let due = end > next ? events[end - 1].due : now
    conclusion = script.conclude(keeping: kept, .incomplete(reason: reason), at: due)
    events.removeSubrange(end...)
    events.append(DueEvent(due: due, text: conclusion.event))
  }
}
