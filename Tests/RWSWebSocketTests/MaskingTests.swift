import Testing

@testable import RWSWebSocket

@Suite struct MaskingTests {
  @Test("RFC 6455 §5.3: byte i is XORed with key byte i mod 4, at every length and offset")
  func everyLengthAndOffset() {
    let key: [UInt8] = [1, 20, 90, 200]
    let number = key.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    for count in 0..<80 {
      for offset in 0..<9 {
        let plain = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let expected = plain.enumerated().map { $1 ^ key[($0 + offset) % 4] }
        var masked = plain
        masked.withUnsafeMutableBytes { Masking.apply(key: number, offset: offset, to: $0) }
        guard masked == expected else {
          Issue.record("count \(count), offset \(offset)")
          return
        }
      }
    }
  }

  @Test("RFC 6455 §5.3: each key comes from the random source, and no source means no frame")
  func source() throws {
    var masks = testMasks()
    var keys: Set<UInt32> = []
    for _ in 0..<32 { keys.insert(try masks.next()) }
    #expect(keys.count == 32)
    var empty = MaskSource { _ in false }
    var failed = false
    do throws(RandomnessUnavailable) { _ = try empty.next() } catch { failed = true }
    #expect(failed)
  }
}
