/// Why a `.tiktoken` file is not taken.
package enum VocabularyError: Error, Equatable, Sendable {
  /// A line that is not `base64 rank`. Lines count from 1.
  case malformedLine(Int)
  /// A token of no bytes or of more than `Vocabulary.tokenByteLimit`.
  case tokenLength(line: Int)
  /// A rank beyond `Vocabulary.rankLimit`, or one that an earlier line has.
  case rank(line: Int)
  case duplicateToken(line: Int)
  /// No token for this byte alone: some texts would have no encoding.
  case missingByte(UInt8)
  /// More bytes than `Vocabulary.fileByteLimit`.
  case tooLarge
}

extension VocabularyError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .malformedLine(let line):
      "line \(line) of the vocabulary is not a token in base64, a space and a rank: "
        + "give a .tiktoken file"
    case .tokenLength(let line):
      "the token in line \(line) of the vocabulary is empty or longer than "
        + "\(Vocabulary.tokenByteLimit) bytes"
    case .rank(let line):
      "the rank in line \(line) of the vocabulary is taken, or not below \(Vocabulary.rankLimit)"
    case .duplicateToken(let line):
      "the token in line \(line) of the vocabulary was there before"
    case .missingByte(let byte):
      "the vocabulary has no token for the byte \(byte): it is not one of a byte-level BPE, or cut"
    case .tooLarge:
      "the vocabulary is larger than \(Vocabulary.fileByteLimit) bytes"
    }
  }
}
