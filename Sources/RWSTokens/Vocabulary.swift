/// The tokens of a byte-level BPE and their ranks, from a `.tiktoken` file (o200k_base and its like).
/// Read once, shared by all who count: nothing changes after the initialiser.
package final class Vocabulary: @unchecked Sendable {
  package static let fileByteLimit = 64 << 20
  package static let rankLimit: UInt32 = 16 << 20
  package static let tokenByteLimit = 1024

  package let pattern: SplitPattern
  package let tokenCount: Int
  /// Memory that the vocabulary takes.
  package let byteCount: Int
  let table: TokenTable

  // What the table looks into.
  private let short: SlotTable
  private let long: SlotTable
  private let longTokens: LongTokens
  private let pairs = PairRanks()

  /// - Parameter file: The file's bytes, needed only for the call.
  package init(
    _ file: UnsafeRawBufferPointer, pattern: SplitPattern = .o200k
  ) throws(VocabularyError) {
    guard file.count <= Self.fileByteLimit else { throw .tooLarge }
    let size = try VocabularySize(file)
    self.pattern = pattern
    tokenCount = size.shortCount &+ size.longCount
    short = SlotTable(for: size.shortCount)
    long = SlotTable(for: size.longCount)
    longTokens = LongTokens(count: size.longCount, bytes: size.longBytes)
    byteCount =
      short.byteCount &+ long.byteCount &+ longTokens.capacity
      &+ PairRanks.count &* MemoryLayout<UInt32>.stride
    table = TokenTable(
      short: short, long: long, bytes: longTokens.base, pairs: pairs.base,
      longestToken: size.longestToken)
    try fill(from: file, rankCount: size.rankCount)
    try requireEachByte()
  }

  private func fill(from file: UnsafeRawBufferPointer, rankCount: Int) throws(VocabularyError) {
    var isTaken = [Bool](repeating: false, count: rankCount)
    var reader = VocabularyReader(file)
    while let (token, rank) = try reader.next() {
      guard let base = token.baseAddress else { continue }
      guard !isTaken[Int(rank)] else { throw .rank(line: reader.line) }
      isTaken[Int(rank)] = true
      guard !table.isToken(base, token.count, readable: token.count) else {
        throw .duplicateToken(line: reader.line)
      }
      if token.count == 2 { pairs.insert(base, rank) }
      if token.count <= TokenKey.wordLength {
        let word = TokenKey.word(base, token.count, readable: token.count)
        short.insert(word, rank, hash: TokenKey.mixed(word))
      } else {
        let hash = TokenKey.hash(base, token.count)
        long.insert(TokenTable.key(hash: hash, offset: longTokens.append(token)), rank, hash: hash)
      }
    }
  }

  private func requireEachByte() throws(VocabularyError) {
    for byte in UInt8.min...UInt8.max {
      guard withUnsafePointer(to: byte, { table.isToken($0, 1, readable: 1) }) else {
        throw .missingByte(byte)
      }
    }
  }
}
