import Glibc
import Testing

@testable import RWSNetwork

extension NetworkTests {
  @Suite struct IOThreadTests {
    @Test("200 loops with their threads start and stop; no descriptor and no thread stays")
    func startAndStop() throws {
      // Process-wide pieces come into being with the first.
      try IOThread(loop: EventLoop(), name: "first").stopAndJoin()
      let descriptors = ProcessCounts.descriptors
      let threads = ProcessCounts.threads
      for index in 0..<200 {
        let thread = try IOThread(loop: EventLoop(), name: "rws-test")
        if index % 2 == 0 { thread.loop.post {} }
        thread.stopAndJoin()
        thread.stopAndJoin()
      }
      #expect(ProcessCounts.descriptors <= descriptors)
      #expect(ProcessCounts.threads <= threads)
    }

    @Test("the thread has its name, and blocks every signal")
    func thread() throws {
      let thread = try IOThread(loop: EventLoop(), name: "rws-io-with-a-long-name")
      let answer = Answer<(name: String, blocksAll: Bool, isCurrent: Bool)>()
      thread.loop.post {
        var mask = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &mask)
        let blocked = [SIGINT, SIGTERM, SIGPIPE, SIGALRM, SIGCHLD, SIGUSR1].allSatisfy {
          sigismember(&mask, $0) == 1
        }
        var name = [CChar](repeating: 0, count: 64)
        let file = open("/proc/thread-self/comm", O_RDONLY)
        _ = read(file, &name, 63)
        close(file)
        let text = String(
          decoding: name.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self
        )
        answer.set((text, blocked, thread.isCurrent))
      }
      let found = try #require(answer.wait())
      #expect(found.name == "rws-io-with-a-l")
      #expect(found.blocksAll)
      #expect(found.isCurrent)
      #expect(!thread.isCurrent)
      thread.stopAndJoin()
    }

    @Test("stopped from its own callback, the thread ends after it")
    func stopFromItself() throws {
      let threads = ProcessCounts.threads
      let thread = try IOThread(loop: EventLoop(), name: "rws-test")
      let answer = Answer<Bool>()
      thread.loop.post {
        thread.stopAndJoin()
        answer.set(true)
      }
      #expect(answer.wait() == true)
      #expect(thread.waitUntilReturned(deadline: MonotonicClock.deadline(after: 20_000_000_000)))
      thread.stopAndJoin()
      let deadline = MonotonicClock.deadline(after: 20_000_000_000)
      while ProcessCounts.threads > threads, MonotonicClock.now() < deadline { sched_yield() }
      #expect(ProcessCounts.threads <= threads)
    }

    @Test("two threads may join at once; both return after the end")
    func joinTwice() throws {
      let thread = try IOThread(loop: EventLoop(), name: "rws-test")
      var other = pthread_t()
      let status = Thread.start(&other, name: "joiner") { thread.stopAndJoin() }
      try #require(status == 0)
      thread.stopAndJoin()
      pthread_join(other, nil)
      #expect(thread.waitUntilReturned(deadline: MonotonicClock.now()))
    }
  }

  @Suite struct LockTests {
    @Test("a wait ends at its deadline, not before")
    func deadline() {
      let lock = Lock()
      let condition = Condition()
      let deadline = MonotonicClock.deadline(after: 2_000_000)
      lock.withLock { while condition.wait(lock, until: deadline) {} }
      #expect(MonotonicClock.now() >= deadline)
    }

    @Test("deadlines saturate")
    func saturate() {
      #expect(MonotonicClock.deadline(after: .max) == .max)
      #expect(MonotonicClock.deadline(after: -5) <= MonotonicClock.now())
    }
  }
}

/// One value from another thread.
final class Answer<Value>: @unchecked Sendable {
  private let lock = Lock()
  private let changed = Condition()
  private var value: Value?

  func set(_ value: sending Value) {
    lock.withLock { self.value = value }
    changed.broadcast()
  }

  func wait() -> Value? {
    let deadline = MonotonicClock.deadline(after: 20_000_000_000)
    return lock.withLock {
      while value == nil, changed.wait(lock, until: deadline) {}
      return value
    }
  }
}
