import Testing

@testable import RWSNetwork

extension NetworkTests {
  @Suite struct TimerQueueTests {
    @Test("timers come by deadline, equal ones in the order they were scheduled")
    func order() {
      var queue = TimerQueue()
      let log = Log<Int>()
      for (index, deadline) in [30, 10, 20, 10, 30, 5].enumerated() {
        _ = queue.schedule(at: Int64(deadline)) { log.entries.append(index) }
      }
      while let action = queue.takeDue(now: 100, before: queue.mark) { action() }
      #expect(log.entries == [5, 1, 3, 2, 0, 4])
      let next = queue.nextDeadline()
      #expect(next == nil)
    }

    @Test("a cancelled timer never fires, and thousands of them do not pile up")
    func cancel() {
      var queue = TimerQueue()
      let log = Log<Int>()
      var kept: [TimerID] = []
      for index in 0..<5000 {
        let id = queue.schedule(at: Int64(5000 - index)) { log.entries.append(index) }
        if index % 100 == 0 { kept.append(id) } else { queue.cancel(id) }
      }
      #expect(queue.count == kept.count)
      let first = queue.nextDeadline()
      #expect(first == 100)
      while let action = queue.takeDue(now: .max, before: queue.mark) { action() }
      #expect(log.entries == stride(from: 4900, through: 0, by: -100).map { $0 })
    }

    @Test("a timer scheduled while others fire waits for the next round")
    func mark() {
      var queue = TimerQueue()
      let mark = queue.mark
      _ = queue.schedule(at: 0) {}
      #expect(queue.takeDue(now: 10, before: mark) == nil)
      #expect(queue.takeDue(now: 10, before: queue.mark) != nil)
    }
  }
}

final class Log<Entry> {
  var entries: [Entry] = []
}
