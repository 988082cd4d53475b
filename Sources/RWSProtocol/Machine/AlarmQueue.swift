/// What is due when: a heap, the earliest first. Entries are not taken back: whoever is woken looks whether there
/// is anything to do, which costs less than keeping the order at every event. So they name turns, routes and
/// connections and do not hold them: an hour may pass until then, and many may have come and gone.
struct AlarmQueue {
  enum Alarm {
    case turn(TurnID)
    /// A turn has waited long enough to be sent again.
    case resend(TurnID)
    /// A successor that was expected has not come.
    case successor(of: TurnID, in: SessionID)
    /// The rate of new connections allows one more.
    case dial(RouteID)
    /// A connection of the route nears its age limit.
    case rotation(RouteID)
    /// A connection that nobody uses may be closed.
    case idle(ConnectionID, RouteID)
    /// The question about an API key has waited long enough.
    case key(RouteID, question: UInt64)
    /// An errand has waited long enough to be tried again.
    case errand(ErrandID)
    /// WebSocket may be had again.
    case probe(RouteID)
  }

  private var heap: [(due: Instant, alarm: Alarm)] = []

  var next: Instant? { heap.first?.due }

  mutating func add(_ alarm: Alarm, at due: Instant) {
    heap.append((due, alarm))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].due < heap[parent].due else { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  /// The earliest alarm that is due; nil: none is.
  mutating func pop(due now: Instant) -> Alarm? {
    guard let first = heap.first, first.due <= now, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return first.alarm }
    heap[0] = last
    var parent = 0
    while true {
      var earliest = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < heap.count && heap[child].due < heap[earliest].due {
        earliest = child
      }
      guard earliest != parent else { break }
      heap.swapAt(parent, earliest)
      parent = earliest
    }
    return first.alarm
  }
}
