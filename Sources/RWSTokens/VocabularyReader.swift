/// The lines of a `.tiktoken` file: a token's bytes in base64 (RFC 4648 §4), a space, its rank in
/// decimal. Empty lines are skipped; a line may end with CR LF.
struct VocabularyReader: ~Copyable {
  /// Of the line that was read last, from 1.
  private(set) var line = 0
  private let file: UnsafeRawBufferPointer
  private let buffer: UnsafeMutablePointer<UInt8>
  private var position = 0

  /// Three bytes for each four digits, the padding's too.
  private static let bufferSize = Vocabulary.tokenByteLimit &+ 3

  init(_ file: UnsafeRawBufferPointer) {
    self.file = file
    buffer = .allocate(capacity: Self.bufferSize)
  }

  deinit { buffer.deallocate() }

  /// The bytes of the token are valid until the next call.
  mutating func next() throws(VocabularyError) -> (
    token: UnsafeBufferPointer<UInt8>, rank: UInt32
  )? {
    while let content = nextLine() {
      guard !content.isEmpty else { continue }
      guard let space = content.firstIndex(of: UInt8(ascii: " ")) else {
        throw .malformedLine(line)
      }
      let count = try decode(UnsafeRawBufferPointer(rebasing: content[..<space]))
      let rank = try rank(content[(space + 1)...])
      return (UnsafeBufferPointer(start: buffer, count: count), rank)
    }
    return nil
  }

  private mutating func nextLine() -> UnsafeRawBufferPointer? {
    guard position < file.count else { return nil }
    line &+= 1
    let start = position
    while position < file.count, file[position] != UInt8(ascii: "\n") { position &+= 1 }
    var end = position
    position &+= 1
    if end > start, file[end &- 1] == UInt8(ascii: "\r") { end &-= 1 }
    return UnsafeRawBufferPointer(rebasing: file[start..<end])
  }

  private func decode(_ digits: UnsafeRawBufferPointer) throws(VocabularyError) -> Int {
    guard digits.count % 4 == 0 else { throw .malformedLine(line) }
    guard digits.count / 4 &* 3 <= Self.bufferSize else { throw .tokenLength(line: line) }
    guard let count = Base64Digits.decode(digits, into: buffer) else { throw .malformedLine(line) }
    guard count > 0, count <= Vocabulary.tokenByteLimit else { throw .tokenLength(line: line) }
    return count
  }

  private func rank(_ digits: Slice<UnsafeRawBufferPointer>) throws(VocabularyError) -> UInt32 {
    // Eight digits are more than the limit has, and fit.
    guard !digits.isEmpty, digits.count <= 8 else { throw .malformedLine(line) }
    var rank: UInt32 = 0
    for byte in digits {
      let digit = byte &- UInt8(ascii: "0")
      guard digit <= 9 else { throw .malformedLine(line) }
      rank = rank &* 10 &+ UInt32(digit)
    }
    guard rank < Vocabulary.rankLimit else { throw .rank(line: line) }
    return rank
  }
}
