import Testing

@testable import RWSWebSocket

/// Messages that begin like the one before them, as requests do: what a `Deflater` says of them, an `Inflater` (zlib's)
/// must hear.
@Suite struct RepeatedBlockTests {
  private static let windowBytes = 32_768
  /// zlib's own reach.
  private static let distanceMax = windowBytes - 262

  private final class Pair {
    var client: WebSocketEndpoint
    var server: WebSocketEndpoint

    init(windowBits: Int = 15) {
      var parameters = DeflateParameters()
      parameters.clientMaxWindowBits = windowBits
      let limits = WebSocketEndpoint.Limits(
        messageBytesMax: 4 << 20, outputBytesMax: 4 << 20, compressedBytesMin: 0)
      client = WebSocketEndpoint(role: .client, limits: limits, masks: testMasks())
      server = WebSocketEndpoint(role: .server, limits: limits, masks: testMasks())
      client.useDeflate(parameters)
      server.useDeflate(parameters)
    }

    /// - Returns: The bytes that it took.
    func send(
      _ message: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Int {
      try client.sendBinary(message)
      let count = client.output.count
      try client.deliver(to: &server)
      let heard = server.receiveAll()
      #expect(heard == [.binary(message)], sourceLocation: sourceLocation)
      return count
    }
  }

  private static func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var random = SeededRandom(seed: seed)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }

  private static func message(_ common: [UInt8], _ prefix: Int, then own: Int, seed: UInt64) -> [UInt8] {
    // The first byte that differs does differ.
    let after = prefix < common.count ? ~common[prefix] : 0
    return common[..<prefix] + [after] + noise(own, seed: seed)
  }

  @Test("RFC 1951 §3.2.5: every code of a distance is heard right, at both ends of its range")
  func distances() throws {
    var distances: Set<Int> = [RepeatedBlock.countMin + 1, Self.distanceMax]
    for exponent in 10...14 {
      for half in [2, 3] {
        let first = half << (exponent - 1) + 1
        distances.formUnion([first - 1, first])
      }
    }
    for distance in distances.sorted() where distance > RepeatedBlock.countMin && distance <= Self.distanceMax {
      let pair = Pair()
      let first = Self.noise(distance, seed: UInt64(distance))
      _ = try pair.send(first)
      let second = Self.message(first, distance - 1, then: 20, seed: 1)
      let bytes = try pair.send(second)
      #expect(bytes < distance / 60 + 350, "at a distance of \(distance)")
    }
  }

  @Test("whatever of the last message is repeated, the new one is heard, and the one after it")
  func prefixes() throws {
    let common = Self.noise(6000, seed: 3)
    let least = RepeatedBlock.countMin
    for prefix in [0, 1, least - 1, least, least + 1, least + 7, least + 8, least + 257, least + 258, 5999, 6000] {
      let pair = Pair()
      _ = try pair.send(common)
      for (own, seed) in [(0, 1), (1, 2), (300, 3)] as [(Int, UInt64)] {
        _ = try pair.send(Self.message(common, prefix, then: own, seed: seed))
      }
      _ = try pair.send(common)
      _ = try pair.send(common)
    }
  }

  @Test("a message that is the last one's beginning, or goes on behind its end")
  func shorterAndLonger() throws {
    let common = Self.noise(5000, seed: 9)
    let pair = Pair()
    for count in [5000, 4000, 1032, 1033, 5000, 2064, 2065, 5000] {
      _ = try pair.send(Array(common[..<count]))
    }
    _ = try pair.send([])
    _ = try pair.send(common)
  }

  @Test("what a request repeats costs next to nothing, where zlib alone would find other words first")
  func prose() throws {
    var random = SeededRandom(seed: 2)
    let words = ["the", "agent", "reads", "each", "file", "before", "it", "changes", "anything", "and", "tests"]
    let instructions = Array((0..<3000).map { _ in words.randomElement(using: &random) ?? "" }
      .joined(separator: " ").utf8)
    for shrinks in [false, true] {
      let pair = Pair()
      _ = try pair.send(instructions + Array("first".utf8))
      for turn in 1...5 {
        if shrinks {
          pair.client.shrink()
          pair.server.shrink()
        }
        let bytes = try pair.send(instructions + Array("what is new in turn \(turn)".utf8))
        #expect(bytes < 350)
      }
    }
  }

  @Test("beyond the window, and in small ones, nothing is said that the peer could not know", arguments: 9...15)
  func windows(_ bits: Int) throws {
    for count in [1 << bits - 263, 1 << bits - 262, 1 << bits - 261, 1 << bits, 1 << bits + 1, 40_000] {
      let pair = Pair(windowBits: bits)
      let common = Self.noise(count, seed: UInt64(count))
      for turn in 1...3 { _ = try pair.send(common + Self.noise(50, seed: UInt64(turn))) }
      _ = try pair.send(common)
      _ = try pair.send(common)
    }
  }

  @Test("long talks of random repetition are heard as they were said", arguments: 1...8 as ClosedRange<UInt64>)
  func randomTalks(_ seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
    let pair = Pair(windowBits: seed % 2 == 0 ? 15 : 13)
    var last = Self.noise(3000, seed: seed)
    for turn in 0..<60 {
      let kept = below(8) == 0 ? 0 : below(last.count + 1)
      let own = below(3) == 0 ? Self.noise(below(400), seed: UInt64(turn)) : Array(last.suffix(below(3000)))
      last = Array(last[..<kept]) + own
      if last.count > 36_000 { last = Array(last.suffix(2000)) }
      _ = try pair.send(last)
      if below(6) == 0 { pair.client.shrink() }
      if below(6) == 0 { pair.server.shrink() }
    }
  }
}
