/// What a vocabulary file will need, from a first look at all its lines.
struct VocabularySize {
  private(set) var shortCount = 0
  private(set) var longCount = 0
  private(set) var longBytes = 0
  private(set) var longestToken = 0
  private(set) var rankCount = 0

  init(_ file: UnsafeRawBufferPointer) throws(VocabularyError) {
    var reader = VocabularyReader(file)
    while let (token, rank) = try reader.next() {
      longestToken = max(longestToken, token.count)
      rankCount = max(rankCount, Int(rank) &+ 1)
      if token.count <= TokenKey.wordLength {
        shortCount &+= 1
      } else {
        longCount &+= 1
        longBytes &+= token.count
      }
    }
  }
}
