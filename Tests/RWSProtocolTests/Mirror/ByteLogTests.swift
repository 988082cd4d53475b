import Testing

@testable import RWSProtocol

@Suite struct ByteLogTests {
  private func bytes(_ count: Int, _ seed: UInt8 = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) &+ seed }
  }

  @Test("What is appended is what is read, across blocks of any size")
  func append() {
    var log = ByteLog()
    var plain: [UInt8] = []
    for count in [0, 1, 4095, 4096, 4097, 100_000, 3, 2_000_000] {
      let piece = bytes(count, UInt8(truncatingIfNeeded: count))
      log.append(piece)
      plain += piece
    }
    #expect(log.count == plain.count && log.bytes(0..<log.count) == plain)
    for range in [0..<1, 4000..<5000, 104_000..<104_500, plain.count - 1..<plain.count, 7..<7] {
      #expect(log.bytes(range) == Array(plain[range]))
    }
  }

  @Test("The common prefix is exact, whichever byte differs first")
  func commonPrefix() {
    var log = ByteLog()
    let plain = bytes(10_000)
    log.append(plain)
    for position in [0, 1, 31, 32, 33, 4095, 4096, 4097, 9_999] {
      var other = plain
      other[position] ^= 1
      #expect(other.withUnsafeBytes { log.commonPrefix($0) } == position)
      #expect(plain.prefix(position).withUnsafeBytes { log.commonPrefix($0) } == position)
    }
    #expect((plain + [1]).withUnsafeBytes { log.commonPrefix($0) } == 10_000)
  }

  @Test("A snapshot keeps what it shows, whatever becomes of the log")
  func snapshots() {
    var log = ByteLog()
    log.append(bytes(6_000))
    let snapshot = log
    log.truncate(to: 5_000)
    log.append(bytes(3_000, 99))
    #expect(snapshot.bytes(0..<snapshot.count) == bytes(6_000))
    #expect(log.bytes(0..<log.count) == bytes(6_000).prefix(5_000) + bytes(3_000, 99))
    log.truncate(to: 0)
    log.append(bytes(10, 7))
    #expect(log.bytes(0..<10) == bytes(10, 7) && snapshot.bytes(0..<10) == bytes(10))
  }

  @Test("A sealed copy and the one it was made from grow apart")
  func sealed() {
    var log = ByteLog()
    log.append(bytes(100))
    var fork = log
    fork.seal()
    log.append(bytes(50, 1))
    fork.append(bytes(60, 2))
    log.append(bytes(5_000, 3))
    fork.append(bytes(5_000, 4))
    #expect(log.bytes(0..<log.count) == bytes(100) + bytes(50, 1) + bytes(5_000, 3))
    #expect(fork.bytes(0..<fork.count) == bytes(100) + bytes(60, 2) + bytes(5_000, 4))
  }
}
