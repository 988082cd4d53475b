import CLinux
import Glibc
import RWSWebSocket
import Testing

@testable import RWSNetwork

extension NetworkTests {
  @Suite struct DialerTests {
    let loop: EventLoop
    init() throws { loop = try EventLoop() }

    private func dial(
      _ addresses: [SocketAddress], attemptDelay: Int64 = 30_000_000, attemptsMax: Int = 6
    ) throws -> Dialer.Outcome {
      var outcome: Dialer.Outcome?
      let dialer = Dialer(
        .addresses(addresses), .init(attemptDelay: attemptDelay, attemptsMax: attemptsMax),
        lookupDeadline: .max, on: loop
      ) { outcome = $0 }
      dialer.start()
      try loop.drive { outcome != nil }
      return try #require(outcome)
    }

    private func expectConnected(_ outcome: Dialer.Outcome, to port: UInt16) {
      guard case .connected(let descriptor, let address) = outcome else {
        Issue.record("\(outcome)")
        return
      }
      #expect(address.port == port)
      close(descriptor)
    }

    private func v4(_ port: UInt16) throws -> SocketAddress {
      try #require(Resolver.numeric("127.0.0.1", port))
    }

    @Test("the second address is tried when the first refuses, without waiting")
    func refused() throws {
      let closed = try RawServer(loop).port
      let server = try RawServer(loop)
      let outcome = try dial([v4(closed), v4(server.port)], attemptDelay: 3_600_000_000_000)
      expectConnected(outcome, to: server.port)
    }

    @Test("a first address that never answers costs one attempt delay")
    func dead() throws {
      let dead = try DeadServer(loop)
      let server = try RawServer(loop)
      let descriptors = ProcessCounts.descriptors
      let outcome = try dial([v4(dead.port), v4(server.port)])
      expectConnected(outcome, to: server.port)
      // The loser is closed.
      #expect(ProcessCounts.descriptors == descriptors)
    }

    @Test(
      "IPv6 that takes SYNs but never answers: IPv4 serves after one attempt delay",
      .enabled(if: IPv6.isHere, "no IPv6 here"))
    func deadV6() throws {
      let dead = try DeadServer(loop, host: "::1")
      let server = try RawServer(loop)
      let v6 = try #require(Resolver.numeric("::1", dead.port))
      expectConnected(try dial([v6, v4(server.port)]), to: server.port)
    }

    @Test("a dead address, one that refuses and one that listens: the last is reached")
    func mixed() throws {
      let server = try RawServer(loop)
      let closed = try RawServer(loop).port
      let dead = try DeadServer(loop)
      let outcome = try dial([v4(dead.port), v4(closed), v4(server.port)], attemptDelay: 20_000_000)
      expectConnected(outcome, to: server.port)
    }

    @Test("more dead addresses than attempts at a time do not keep from the living one")
    func manyDead() throws {
      let dead = try (0..<4).map { _ in try DeadServer(loop) }
      let server = try RawServer(loop)
      let descriptors = ProcessCounts.descriptors
      let outcome = try dial(
        try dead.map { try v4($0.port) } + [v4(server.port)], attemptDelay: 20_000_000,
        attemptsMax: 2)
      expectConnected(outcome, to: server.port)
      #expect(ProcessCounts.descriptors == descriptors)
    }

    @Test("when all fail, the refusal is told, and by whom")
    func allFail() throws {
      let closed = try RawServer(loop).port
      let outcome = try dial([v4(closed), v4(closed)])
      guard case .failed(let code, let address) = outcome else {
        Issue.record("\(outcome)")
        return
      }
      #expect(code == ECONNREFUSED)
      #expect(address?.port == closed)
    }

    @Test("no address at all is a failure to resolve")
    func none() throws {
      guard case .unresolved = try dial([]) else {
        Issue.record("not unresolved")
        return
      }
    }

    @Test("cancelled with attempts and look-ups under way, nothing stays and nothing is called")
    func cancel() throws {
      let dead = try DeadServer(loop)
      let descriptors = ProcessCounts.descriptors
      for target in [Dialer.Target.addresses([try v4(dead.port)]), .name("localhost", dead.port)] {
        let dialer = Dialer(target, .init(), lookupDeadline: .max, on: loop) { _ in
          Issue.record("called")
        }
        dialer.start()
        loop.settle()
        dialer.cancel()
        // A look-up under way has a socket of its own, for as long as it takes.
        try loop.drive { ProcessCounts.descriptors == descriptors }
      }
    }

    @Test("a name with two families is dialled in the better one's order and reaches the one that listens")
    func name() throws {
      let server = try RawServer(loop)
      var outcome: Dialer.Outcome?
      let dialer = Dialer(
        .name("localhost", server.port), .init(), lookupDeadline: .max, on: loop
      ) { outcome = $0 }
      dialer.start()
      try loop.drive { outcome != nil }
      expectConnected(try #require(outcome), to: server.port)
    }
  }
}

/// Listens, and never answers a SYN: its queue is full.
final class DeadServer {
  private let server: RawServer
  private var fillers: [RawPeer] = []
  var port: UInt16 { server.port }

  init(_ loop: EventLoop, host: String = "127.0.0.1") throws {
    server = try RawServer(loop, host: host, backlog: 0)
    for _ in 0..<4 { fillers.append(try RawPeer.connect(loop, port: server.port, host: host)) }
  }
}

enum IPv6 {
  /// Some containers have none; the tests that need it are skipped then.
  static let isHere: Bool = {
    let descriptor = Socket.make(family: AF_INET6)
    defer { close(descriptor) }
    guard let address = Resolver.numeric("::1", 0),
      address.withSockaddr({ bind(descriptor, $0, address.length) }) == 0
    else { return false }
    return true
  }()
}
