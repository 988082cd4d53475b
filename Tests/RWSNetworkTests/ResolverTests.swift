import Glibc
import Testing

@testable import RWSNetwork

extension NetworkTests {
  @Suite struct ResolverTests {
    @Test("more look-ups than threads all come back; cancelled ones do not; no thread stays")
    func many() throws {
      let loop = try EventLoop()
      let threads = ProcessCounts.threads
      let log = Log<Int>()
      let box = Confined(log)
      var lookups: [Resolver.Lookup] = []
      for index in 0..<100 {
        lookups.append(
          Resolver.resolve("localhost", 80, on: loop) { outcome in
            if case .addresses = outcome { box.value.entries.append(index) }
          })
        if index % 2 == 0 { lookups[index].cancel() }
      }
      // One that was posted before its cancel may come too: the owner's state decides then.
      try loop.drive { Set(log.entries).isSuperset(of: stride(from: 1, to: 100, by: 2)) }
      loop.settle()
      #expect(Set(log.entries).count == log.entries.count)
      try loop.drive { ProcessCounts.threads <= threads }
    }

    @Test(
      "numeric addresses need no thread; names are none",
      arguments: ["127.0.0.1", "::1", "fe80::1"])
    func numeric(address: String) throws {
      let found = try #require(Resolver.numeric(address, 443))
      #expect(found.description == hostAndPort(address, 443))
      #expect(found.port == 443)
      #expect(Resolver.numeric("localhost", 443) == nil)
      #expect(Resolver.numeric("", 443) == nil)
    }

    @Test("a failed look-up says why")
    func failure() {
      guard case .failure(let failure) = Resolver.resolveBlocking("no-such-host.invalid", 1) else {
        Issue.record("resolved")
        return
      }
      #expect(!failure.text.isEmpty)
    }
  }
}
