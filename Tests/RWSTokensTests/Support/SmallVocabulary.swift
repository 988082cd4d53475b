@testable import RWSTokens

/// A made-up vocabulary: all bytes, and merges of them; and BPE by the book, slow, to compare with.
struct SmallVocabulary {
  private(set) var ranks: [[UInt8]: UInt32] = [:]

  /// Each merge joins two tokens that were there before, as training does.
  init(seed: UInt64, merges: Int, alphabet: String) {
    var random = SplitMix(seed)
    for byte in UInt8.min...UInt8.max { ranks[[byte]] = UInt32(byte) }
    var tokens = alphabet.unicodeScalars.map { Array(String($0).utf8) }
    for token in tokens where token.count > 1 {
      for count in 2...token.count where ranks[Array(token[..<count])] == nil {
        ranks[Array(token[..<count])] = UInt32(ranks.count)
      }
    }
    while ranks.count < 256 + merges {
      let token = tokens[random.below(tokens.count)] + tokens[random.below(tokens.count)]
      guard ranks[token] == nil, token.count <= 40 else { continue }
      ranks[token] = UInt32(ranks.count)
      tokens.append(token)
    }
  }

  var file: [UInt8] {
    let lines = ranks.sorted { $0.value < $1.value }.map { "\(base64($0.key)) \($0.value)\n" }
    return Array(lines.joined().utf8)
  }

  func vocabulary(_ pattern: SplitPattern = .o200k) throws -> Vocabulary {
    try Vocabulary.reading(file, pattern)
  }

  /// The piece's tokens: of all neighbours the pair with the lowest rank, the first of equals, is
  /// joined, until no pair is a token.
  func merge(_ piece: [UInt8]) -> [UInt32] {
    if let rank = ranks[piece] { return [rank] }
    var parts = piece.map { [$0] }
    while true {
      var best: (rank: UInt32, index: Int)?
      for index in parts.indices.dropLast() {
        guard let rank = ranks[parts[index] + parts[index + 1]] else { continue }
        if best.map({ rank < $0.rank }) ?? true { best = (rank, index) }
      }
      guard let best else { break }
      parts[best.index] += parts.remove(at: best.index + 1)
    }
    return parts.compactMap { ranks[$0] }
  }
}

extension Vocabulary {
  static func reading(_ file: [UInt8], _ pattern: SplitPattern = .o200k) throws -> Vocabulary {
    try file.withUnsafeBytes { try Vocabulary($0, pattern: pattern) }
  }
}

extension Tokenizer {
  func encode(_ text: [UInt8]) -> [UInt32] { text.withUnsafeBytes { encode($0) } }
  func count(_ text: [UInt8]) -> Int { text.withUnsafeBytes { count($0) } }
}

struct SplitMix {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func below(_ bound: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    return Int((word ^ word >> 31) % UInt64(bound))
  }
}

func base64(_ bytes: [UInt8]) -> String {
  let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  var text = ""
  for start in stride(from: 0, to: bytes.count, by: 3) {
    let group = bytes[start..<min(start + 3, bytes.count)]
    let bits = (group + [0, 0]).prefix(3).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    for digit in 0..<4 {
      text.append(digit <= group.count ? alphabet[Int(bits >> (18 - 6 * UInt32(digit)) & 63)] : "=")
    }
  }
  return text
}
