/// Virtual time and what is to happen when. Things due at the same time happen in the order of their making.
final class Clock {
  private var heap: [(due: Int64, order: Int, action: () -> Void)] = []
  private var made = 0
  private(set) var now: Int64 = 0

  var isIdle: Bool { heap.isEmpty }

  func after(_ delay: Int64, _ action: @escaping () -> Void) {
    made += 1
    heap.append((now + max(0, delay), made, action))
    var child = heap.count - 1
    while child > 0, isEarlier(child, (child - 1) / 2) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  /// Lets the next thing happen. False if there is none, or none before `limit`.
  func step(until limit: Int64) -> Bool {
    guard let first = heap.first, first.due <= limit else { return false }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      var parent = 0
      while true {
        var earliest = parent
        for child in [2 * parent + 1, 2 * parent + 2]
        where child < heap.count && isEarlier(child, earliest) {
          earliest = child
        }
        guard earliest != parent else { break }
        heap.swapAt(parent, earliest)
        parent = earliest
      }
    }
    now = max(now, first.due)
    first.action()
    return true
  }

  func skip(to time: Int64) { now = max(now, time) }

  private func isEarlier(_ left: Int, _ right: Int) -> Bool {
    (heap[left].due, heap[left].order) < (heap[right].due, heap[right].order)
  }
}
