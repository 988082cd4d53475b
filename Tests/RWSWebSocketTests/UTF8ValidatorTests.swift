import Testing

@testable import RWSWebSocket

@Suite struct UTF8ValidatorTests {
  /// Whether the bytes are valid, and after how many of them (fed one by one) they were refused.
  private func judge(_ bytes: [UInt8]) -> (valid: Bool, refusedAt: Int?) {
    var validator = UTF8Validator()
    for (index, byte) in bytes.enumerated() {
      let accepted = withUnsafeBytes(of: byte) { validator.accept($0) }
      if !accepted { return (false, index) }
    }
    return (validator.isComplete, nil)
  }

  @Test("RFC 3629: every scalar value is valid, whole and byte by byte")
  func everyScalar() {
    for value in UInt32(0)...0x10FFFF {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let bytes = Array(String(Character(scalar)).utf8)
      // Alone, and with bytes behind it, where the way for common characters may be taken.
      let alone = bytes.withUnsafeBytes(UTF8Validator.isValid)
      let followed = (bytes + bytes + [0x61]).withUnsafeBytes(UTF8Validator.isValid)
      guard alone, followed else {
        Issue.record("U+\(String(value, radix: 16)) refused")
        return
      }
    }
  }

  @Test(
    "RFC 3629 §4: the first byte that cannot continue is refused",
    arguments: [
      ([0x80], 0), ([0xBF], 0), ([0xC0], 0), ([0xC1], 0), ([0xF5], 0), ([0xFF], 0),
      ([0xC2, 0x41], 1), ([0xE0, 0x9F], 1), ([0xED, 0xA0], 1), ([0xED, 0xBF], 1),
      ([0xF0, 0x8F], 1), ([0xF4, 0x90], 1), ([0xE2, 0x82, 0x41], 2), ([0xF0, 0x9F, 0x98, 0xC0], 3),
      ([0x41, 0x42, 0xFE], 2), ([0xE1, 0x80, 0xC2], 2),
    ] as [([UInt8], Int)])
  func firstInvalidByte(_ bytes: [UInt8], _ refusedAt: Int) {
    #expect(judge(bytes).refusedAt == refusedAt)
    #expect(!bytes.withUnsafeBytes(UTF8Validator.isValid))
    // Behind and amid words of ASCII the same byte is found.
    for padding in 0..<40 {
      let padded =
        [UInt8](repeating: 0x61, count: padding) + bytes + [UInt8](repeating: 0x62, count: 40)
      guard !padded.withUnsafeBytes(UTF8Validator.isValid) else {
        Issue.record("accepted behind \(padding) bytes")
        return
      }
    }
  }

  @Test("agrees with the standard library on a hundred thousand random inputs, cut anywhere")
  func agreesWithStandardLibrary() {
    var random = SeededRandom(seed: 6)
    let interesting: [UInt8] = [
      0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xE2, 0xED, 0xF0, 0xF1, 0xF4,
      0xF5,
    ]
    for round in 0..<100_000 {
      let bytes = (0..<Int.random(in: 0...24, using: &random)).map { _ in
        interesting[Int.random(in: 0..<interesting.count, using: &random)]
      }
      let expected = String(validating: bytes, as: UTF8.self) != nil
      let cut = Int.random(in: 0...bytes.count, using: &random)
      var validator = UTF8Validator()
      let accepted = bytes.withUnsafeBytes {
        validator.accept(UnsafeRawBufferPointer(rebasing: $0[..<cut]))
          && validator.accept(UnsafeRawBufferPointer(rebasing: $0[cut...]))
      }
      guard (accepted && validator.isComplete) == expected else {
        Issue.record("round \(round): \(bytes)")
        return
      }
    }
  }

  @Test("a character that is not finished is not complete")
  func incomplete() {
    #expect(judge([0xF0, 0x9F, 0x98]) == (false, nil))
    #expect(judge([0xF0, 0x9F, 0x98, 0x80]) == (true, nil))
  }
}
