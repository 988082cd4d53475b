import Testing

@testable import RWSTokens

@Suite struct VocabularyTests {
  private let bytes = (0...255).map { "\(base64([UInt8($0)])) \($0)" }

  private func error(of lines: [String]) -> VocabularyError? {
    #expect(throws: VocabularyError.self) {
      try Vocabulary.reading(Array(lines.joined(separator: "\n").utf8))
    }
  }

  @Test("the file's lines may end with CR LF, be empty, and the last may lack its end")
  func lines() throws {
    let lines = bytes + ["", "YWI= 300"]
    let vocabulary = try Vocabulary.reading(Array(lines.joined(separator: "\r\n").utf8))
    #expect(vocabulary.tokenCount == 257)
    #expect(Tokenizer(vocabulary).encode(Array("ab".utf8)) == [300])
  }

  @Test(
    "a line that is not base64, a space and a rank is named",
    arguments: [
      "YWI=", "YWI 300", "YWI= ", "YWI= x", "YWI= -1", "YW*= 300", "YWI=  300", "=YWI 300", "YWI= 123456789",
      "Y=== 300", "YWI= 300 301", "\0\0\0\0 300",
    ])
  func malformed(line: String) {
    #expect(error(of: bytes + [line]) == .malformedLine(257))
  }

  @Test("tokens of no bytes, or of too many, are refused")
  func tokenLength() {
    #expect(error(of: bytes + [" 300"]) == .tokenLength(line: 257))
    for count in [Vocabulary.tokenByteLimit + 1, Vocabulary.tokenByteLimit + 2, 100_000] {
      let token = base64([UInt8](repeating: 1, count: count))
      #expect(error(of: bytes + ["\(token) 300"]) == .tokenLength(line: 257))
    }
  }

  @Test("no token and no rank may come twice, and no rank be beyond the limit")
  func duplicates() {
    #expect(error(of: bytes + ["YWI= 300", "YWI= 301"]) == .duplicateToken(line: 258))
    #expect(error(of: bytes + ["YWI= 300", "YWM= 300"]) == .rank(line: 258))
    #expect(error(of: bytes + ["YWI= \(Vocabulary.rankLimit)"]) == .rank(line: 257))
    let long = base64(Array("a token of many bytes".utf8))
    #expect(error(of: bytes + ["\(long) 300", "\(long) 301"]) == .duplicateToken(line: 258))
  }

  @Test("a vocabulary without a token for each byte is refused: it was cut, or is another format")
  func missingByte() {
    #expect(error(of: []) == .missingByte(0))
    #expect(error(of: Array(bytes.dropLast())) == .missingByte(255))
  }

  @Test("a file over the limit is refused unread")
  func tooLarge() {
    let bytes = UnsafeRawBufferPointer(
      start: UnsafeRawPointer(bitPattern: 8), count: Vocabulary.fileByteLimit + 1)
    #expect(throws: VocabularyError.tooLarge) { try Vocabulary(bytes) }
  }

  @Test("tokens of every length are found, in short and in long pieces of memory")
  func lengths() throws {
    var lines = bytes
    let tokens = (2...300).map { count in (0..<count).map { UInt8(($0 * 7 + count) % 251) } }
    for (index, token) in tokens.enumerated() { lines.append("\(base64(token)) \(1000 + index)") }
    let vocabulary = try Vocabulary.reading(Array(lines.joined(separator: "\n").utf8))
    for (index, token) in tokens.enumerated() {
      for padding in [0, 1, 20] {
        let padded = token + [UInt8](repeating: 0xFF, count: padding)
        let rank = padded.withUnsafeBufferPointer { buffer in
          buffer.baseAddress.map {
            vocabulary.table.rank($0, token.count, readable: padded.count)
          }
        }
        #expect(rank == UInt32(1000 + index))
      }
    }
    // The table is a view of it.
    withExtendedLifetime(vocabulary) {}
  }

  @Test("the memory of a vocabulary is that of its tables")
  func memory() throws {
    let small = SmallVocabulary(seed: 1, merges: 10_000, alphabet: "abcdefghijklmnop ")
    let vocabulary = try small.vocabulary()
    #expect(vocabulary.tokenCount == 10_256)
    // Slots of 12 bytes, a third free at least; 256 KiB for the pairs.
    #expect(vocabulary.byteCount < 10_256 * 2 * 40 + 262_144)
  }
}
