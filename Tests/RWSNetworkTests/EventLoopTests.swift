import CLinux
import Glibc
import Testing

@testable import RWSNetwork

extension NetworkTests {
  @Suite struct EventLoopTests {
    let loop: EventLoop
    init() throws { loop = try EventLoop() }

    @Test("timers fire in order and not before their time; cancelled ones do not fire")
    func timers() throws {
      let log = Log<String>()
      let start = loop.refreshNow()
      var fired: Int64 = 0
      loop.schedule(at: start + 3_000_000) {
        log.entries.append("late")
        fired = MonotonicClock.now()
      }
      loop.schedule(at: start + 1_000_000) { log.entries.append("early") }
      loop.cancel(loop.schedule(at: start + 2_000_000) { log.entries.append("never") })
      try loop.drive { log.entries.count == 2 }
      #expect(log.entries == ["early", "late"])
      #expect(fired >= start + 3_000_000)
    }

    @Test("runOnce returns after maxWait when nothing happens")
    func maxWait() {
      let start = MonotonicClock.now()
      #expect(loop.runOnce(maxWait: 2_000_000))
      #expect(MonotonicClock.now() - start >= 2_000_000)
    }

    @Test("jobs posted before stop run, in order; the loop then returns")
    func stop() {
      let log = Log<Int>()
      let box = Confined(log)
      for index in 0..<10 { loop.post { box.value.entries.append(index) } }
      loop.stop()
      loop.run()
      #expect(log.entries == Array(0..<10))
    }

    @Test("a job posted from a job runs in the next iteration")
    func postFromJob() throws {
      let log = Log<String>()
      let box = Confined(log)
      loop.post { [loop] in
        loop.post { box.value.entries.append("second") }
        box.value.entries.append("first")
      }
      loop.runOnce(maxWait: 0)
      #expect(log.entries == ["first"])
      loop.runOnce(maxWait: 0)
      #expect(log.entries == ["first", "second"])
    }

    @Test("four threads post 40,000 jobs; each runs once, in the order of its thread")
    func postFromThreads() throws {
      let log = Log<(thread: Int, index: Int)>()
      let box = Confined(log)
      var threads = [pthread_t](repeating: pthread_t(), count: 4)
      for number in 0..<4 {
        let loop = loop
        let status = Thread.start(&threads[number], name: "poster") {
          for index in 0..<10_000 { loop.post { box.value.entries.append((number, index)) } }
        }
        try #require(status == 0)
      }
      try loop.drive { log.entries.count == 40_000 }
      for thread in threads { pthread_join(thread, nil) }
      for number in 0..<4 {
        #expect(log.entries.filter { $0.thread == number }.map(\.index) == Array(0..<10_000))
      }
    }

    @Test("a stopped loop lets go of what its timers keep alive")
    func stoppedTimers() throws {
      final class Owner {}
      weak var owner: Owner?
      do {
        let kept = Owner()
        owner = kept
        loop.schedule(at: .max) { withExtendedLifetime(kept) {} }
      }
      #expect(owner != nil)
      loop.stop()
      loop.run()
      #expect(owner == nil)
    }

    @Test(
      "an event for a handler that another handler of the batch removed is dropped, also if the descriptor is reused"
    )
    func removedInBatch() throws {
      let log = Log<String>()
      var pipes: [Pipe] = []
      for name in ["a", "b"] { pipes.append(try Pipe(loop, name, log)) }
      // Whichever comes first removes the other and puts a third in its place, on the same slot and
      // descriptor.
      for (own, other) in [(0, 1), (1, 0)] {
        let other = pipes[other]
        pipes[own].onReady = { [loop] in
          other.close()
          other.replacement = try? Pipe(loop, "replacement", log)
        }
      }
      for pipe in pipes { pipe.fill() }
      loop.runOnce(maxWait: 0)
      #expect(log.entries.count == 1)
      loop.settle()
      #expect(!log.entries.contains("replacement"))
      for pipe in pipes {
        pipe.replacement?.close()
        pipe.close()
      }
    }
  }
}

/// Lets a test hand its state to a job that runs on the test's own thread.
struct Confined<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}

private final class Pipe: DescriptorHandler {
  let loop: EventLoop
  let name: String
  let log: Log<String>
  var onReady: () -> Void = {}
  var replacement: Pipe?
  private var ends: [Int32] = [-1, -1]
  private var registration: Registration?

  init(_ loop: EventLoop, _ name: String, _ log: Log<String>) throws {
    self.loop = loop
    self.name = name
    self.log = log
    pipe(&ends)
    registration = try loop.add(ends[0], interest: EPOLLIN.rawValue, handler: self)
  }

  func fill() { _ = write(ends[1], "x", 1) }

  func ready(_ events: UInt32) {
    log.entries.append(name)
    var byte: UInt8 = 0
    _ = read(ends[0], &byte, 1)
    onReady()
  }

  func close() {
    if let registration { loop.remove(registration) }
    registration = nil
    onReady = {}
    for end in ends where end >= 0 { Glibc.close(end) }
    ends = [-1, -1]
  }
}
