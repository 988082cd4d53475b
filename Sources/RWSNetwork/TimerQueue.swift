/// Names a timer for `cancel`; never reused.
package struct TimerID: Hashable, Sendable {
  let value: UInt64
}

/// Pending timers: a binary heap by deadline (equal ones in order of scheduling). Cancelling leaves the
/// heap's entry behind, to be skipped when it surfaces; the heap is rebuilt when most of it is such entries.
struct TimerQueue {
  private struct Entry {
    var deadline: Int64
    var id: UInt64

    func precedes(_ other: Entry) -> Bool {
      deadline != other.deadline ? deadline < other.deadline : id < other.id
    }
  }

  private var heap: [Entry] = []
  private var actions: [UInt64: () -> Void] = [:]
  private var nextID: UInt64 = 1

  var count: Int { actions.count }

  mutating func schedule(at deadline: Int64, _ action: @escaping () -> Void) -> TimerID {
    let id = nextID
    nextID &+= 1
    actions[id] = action
    heap.append(Entry(deadline: deadline, id: id))
    siftUp(from: heap.count - 1)
    return TimerID(value: id)
  }

  mutating func cancel(_ timer: TimerID) {
    actions[timer.value] = nil
    if heap.count > 64, heap.count > 4 * actions.count { rebuild() }
  }

  /// The deadline of the first live timer.
  mutating func nextDeadline() -> Int64? {
    while let first = heap.first {
      if actions[first.id] != nil { return first.deadline }
      removeFirst()
    }
    return nil
  }

  /// Marks the timers scheduled so far, for `takeDue`.
  var mark: UInt64 { nextID }

  /// The next timer that is due and was scheduled before `mark`. A timer that schedules another one at once
  /// cannot keep the loop from its descriptors that way.
  mutating func takeDue(now: Int64, before mark: UInt64) -> (() -> Void)? {
    while let first = heap.first, first.deadline <= now {
      guard first.id < mark else { return nil }
      removeFirst()
      if let action = actions.removeValue(forKey: first.id) { return action }
    }
    return nil
  }

  private mutating func rebuild() {
    heap.removeAll { actions[$0.id] == nil }
    // A sorted array is a heap.
    heap.sort { $0.precedes($1) }
  }

  private mutating func removeFirst() {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    siftDown()
  }

  private mutating func siftUp(from start: Int) {
    var index = start
    while index > 0 {
      let parent = (index - 1) / 2
      guard heap[index].precedes(heap[parent]) else { return }
      heap.swapAt(index, parent)
      index = parent
    }
  }

  private mutating func siftDown() {
    var index = 0
    while true {
      let left = 2 * index + 1
      guard left < heap.count else { return }
      let right = left + 1
      let child = right < heap.count && heap[right].precedes(heap[left]) ? right : left
      guard heap[child].precedes(heap[index]) else { return }
      heap.swapAt(index, child)
      index = child
    }
  }
}
