import Glibc
import Testing

@testable import RWSNetwork

/// What a protocol without pings asks of TCP (tcp(7)): HTTP's connections have no other sign of life while a
/// response makes them wait.
extension NetworkTests {
  @Suite struct TCPLivenessTests {
    private static let second: Int64 = 1_000_000_000

    private func options(after configure: (inout LivenessLimits) -> Void) throws -> [Int32: Int32] {
      let loop = try EventLoop()
      let server = try RawServer(loop)
      let socket = try RawPeer.connect(loop, port: server.port)
      let stream = ByteStream(socket.descriptor, on: loop, owner: nil)
      var limits = LivenessLimits()
      configure(&limits)
      stream.keepAlive(limits)
      defer { withExtendedLifetime((server, socket)) {} }
      let names = [TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT]
      return Dictionary(
        uniqueKeysWithValues: names.map { ($0, Self.option($0, of: socket.descriptor)) })
    }

    private static func option(_ name: Int32, of descriptor: Int32) -> Int32 {
      var (value, length) = (Int32(-1), socklen_t(MemoryLayout<Int32>.size))
      getsockopt(descriptor, Int32(IPPROTO_TCP), name, &value, &length)
      return value
    }

    @Test("a silent peer is asked after the ping's interval, as many times as pings may stay unanswered")
    func probes() throws {
      let found = try options {
        $0.pingInterval = 7 * Self.second
        $0.missedPongsMax = 4
      }
      #expect(found[TCP_KEEPIDLE] == 7)
      #expect(found[TCP_KEEPINTVL] == 7)
      #expect(found[TCP_KEEPCNT] == 4)
    }

    @Test("what was sent stays unacknowledged no longer than probes would take, or the stall's limit if that is longer")
    func unacknowledged() throws {
      let byProbes = try options {
        $0.pingInterval = 20 * Self.second
        $0.missedPongsMax = 3
        $0.writeStall = 60 * Self.second
      }
      #expect(byProbes[TCP_USER_TIMEOUT] == 80_000)
      let byStall = try options {
        $0.pingInterval = 1 * Self.second
        $0.missedPongsMax = 1
        $0.writeStall = 60 * Self.second
      }
      #expect(byStall[TCP_USER_TIMEOUT] == 60_000)
    }

    @Test("a limit that is off leaves TCP as it is; one beyond the kernel's is the kernel's")
    func bounds() throws {
      let untouched = try options { $0.pingInterval = .max }
      #expect(untouched[TCP_USER_TIMEOUT] == 0)
      let borne = try options { $0.writeStall = .max }
      #expect(borne[TCP_USER_TIMEOUT] == 0)
      #expect(borne[TCP_KEEPIDLE] == 20)
      let longest = try options {
        $0.pingInterval = .max - 1
        $0.missedPongsMax = .max
        $0.writeStall = .max - 1
      }
      #expect(longest[TCP_KEEPIDLE] == 32_767)
      #expect(longest[TCP_KEEPCNT] == 127)
      #expect(longest[TCP_USER_TIMEOUT] == .max)
    }
  }
}
