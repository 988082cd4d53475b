import Glibc
import Testing

@testable import RWSNetwork

/// Swift hides `fork`; hosts of the library do call it.
@_silgen_name("fork") private func forkProcess() -> pid_t

nonisolated(unsafe) private var rehearsals: Int32 = 0
nonisolated(unsafe) private var progress: Int32 = 0

extension NetworkTests {
  /// Not in parallel with others that fork.
  @Suite struct ForkGateTests {
    /// The exit status of a forked child.
    private func inChild(_ body: () -> Int32) throws -> Int32 {
      let child = forkProcess()
      if child == 0 { _exit(body()) }
      try #require(child > 0)
      var status: Int32 = -1
      #expect(waitpid(child, &status, 0) == child)
      return status >> 8
    }

    @Test("a rehearsal runs once, before the first fork, where the process-wide locks are free")
    func rehearsal() throws {
      ForkGuard.install {
        ForkGuard.withProcessLock { rehearsals += 1 }
        OpenSSLLibrary.whileNobodyForks { rehearsals += 1 }
        ForkGate.inside { rehearsals += 1 }
      }
      #expect(try inChild { rehearsals } == 3)
      #expect(try inChild { rehearsals } == 3)
    }

    @Test("fork waits until the threads that are inside have left")
    func waits() throws {
      progress = 0
      let inside = Semaphore()
      var thread = pthread_t()
      let failure = Thread.start(&thread, name: "rws-test") {
        ForkGate.inside {
          inside.signal()
          // Long enough for a fork that does not wait.
          usleep(20_000)
          progress = 1
        }
      }
      try #require(failure == 0)
      inside.wait()
      let seen = try inChild { progress }
      pthread_join(thread, nil)
      #expect(seen == 1)
    }

    @Test("a thread that waits or calls the host is outside: fork does not wait for it")
    func outside() throws {
      let isOutside = Semaphore()
      let goOn = Semaphore()
      var thread = pthread_t()
      let failure = Thread.start(&thread, name: "rws-test") {
        ForkGate.outside {
          isOutside.signal()
          goOn.wait()
        }
      }
      try #require(failure == 0)
      isOutside.wait()
      #expect(ForkGate.close())
      ForkGate.open()
      goOn.signal()
      pthread_join(thread, nil)
    }

    @Test("an I/O thread in its wait, and one in a callback that forks, are outside")
    func ioThread() throws {
      let thread = try IOThread(loop: EventLoop(), name: "rws-test")
      defer { thread.stopAndJoin() }
      let done = Semaphore()
      nonisolated(unsafe) var isInside = false
      nonisolated(unsafe) var canClose = false
      thread.loop.post {
        isInside = ForkGate.isInside
        canClose = ForkGate.outside {
          defer { ForkGate.open() }
          return ForkGate.close()
        }
        done.signal()
      }
      done.wait()
      #expect(isInside)
      #expect(canClose)
      #expect(ForkGate.close())
      ForkGate.open()
    }

    @Test("where the forking thread itself is inside, fork does not wait for it, and its child may enter anew")
    func forkingInside() throws {
      let status = try ForkGate.inside {
        #expect(!ForkGate.close())
        return try inChild {
          if ForkGate.isInside { return 1 }
          ForkGate.inside {}
          return ForkGate.close() ? 0 : 2
        }
      }
      #expect(status == 0)
      #expect(ForkGate.close())
      ForkGate.open()
    }
  }
}

private final class Semaphore: @unchecked Sendable {
  private let lock = Lock()
  private let changed = Condition()
  private var count = 0

  func signal() {
    lock.withLock { count += 1 }
    changed.signal()
  }

  func wait() {
    lock.withLock {
      while count == 0 { _ = changed.wait(lock, until: nil) }
      count -= 1
    }
  }
}
