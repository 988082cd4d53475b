import Testing

@testable import RWSTokens

/// Cuts `text` by the pattern; the pieces, which together are the text again.
func pieces(of text: String, _ pattern: SplitPattern) -> [String] {
  let bytes = Array(text.utf8)
  var pieces: [String] = []
  bytes.withUnsafeBufferPointer { buffer in
    guard let base = buffer.baseAddress else { return }
    let splitter = PieceSplitter(base: base, count: buffer.count, classes: .shared)
    var start = 0
    while start < buffer.count {
      let end = splitter.end(from: start, pattern)
      #expect(end > start && end <= buffer.count)
      guard end > start, end <= buffer.count else { break }
      pieces.append(String(decoding: buffer[start..<end], as: UTF8.self))
      start = end
    }
  }
  return pieces
}

/// What the patterns of the tiktoken package make of these texts.
@Suite struct PieceSplitterTests {
  @Test(
    "o200k_base cuts where its pattern does",
    arguments: [
      ["a", " b", " ", " c"],
      ["Hello", " world", "!"],
      ["I'm", " you're", " they'LL", " she'd", " o", "'clock", " don't", "'t"],
      ["x'ſ", "y", " '", "sure"],
      ["camel", "Case", "Word", " HTTPServer", " ABCdef"],
      ["ABCDEF日", "G", " ABC日d"],
      ["ǅungla", " ǄǅA"],
      ["12", " ", "123", "456", "7", " ", "½⅓²", "٣", " a", "1", "b", "2"],
      ["!=", " ==\n\n", "x", " //\n//\r\n/", "x"],
      ["a", "\n\n", "b", " \n \n", " ", " c"],
      ["x", "   "],
      ["x", " \n", "  "],
      ["x", "\t", "\ty"],
      ["\u{A0}", "\u{A0}x", "\u{2028}y"],
      ["e\u{301}a\u{301}", " \u{301}", "ABC", " \u{301}"],
      ["!\u{301}a", " !!\u{301}"],
      ["(hello", ")", " \"{'", "a", "'}"],
      ["<|", "endoftext", "|>"],
    ])
  func o200k(_ cut: [String]) {
    #expect(pieces(of: cut.joined(), .o200k) == cut)
  }

  @Test(
    "cl100k_base cuts where its pattern does",
    arguments: [
      ["a", " b", " ", " c"],
      ["Hello", " world", "!"],
      ["I", "'m", " you", "'re", " they", "'LL", " she", "'d", " o", "'clock", " don", "'t", "'t"],
      ["x", "'ſ", "y", " '", "sure"],
      ["camelCaseWord", " HTTPServer", " ABCdef"],
      ["ABCDEF日G", " ABC日d"],
      ["ǅungla", " ǄǅA"],
      ["12", " ", "123", "456", "7", " ", "½⅓²", "٣", " a", "1", "b", "2"],
      ["!=", " ==\n\n", "x", " //\n", "//\r\n", "/x"],
      ["a", "\n\n", "b", " \n \n", " ", " c"],
      ["x", "   "],
      ["x", " \n  "],
      ["x", "\t", "\ty"],
      ["\u{A0}", "\u{A0}x", "\u{2028}y"],
      ["e", "\u{301}a", "\u{301}", " \u{301}", "ABC", " \u{301}"],
      ["!\u{301}", "a", " !!\u{301}"],
      ["(hello", ")", " \"{'", "a", "'}"],
      ["<|", "endoftext", "|>"],
    ])
  func cl100k(_ cut: [String]) {
    #expect(pieces(of: cut.joined(), .cl100k) == cut)
  }

  @Test("bytes that are not UTF-8 are cut somewhere, and nothing beyond them is read")
  func invalid() {
    var random = SplitMix(1)
    for _ in 0..<200 {
      let bytes = (0...random.below(12)).map { _ in UInt8(random.below(256)) }
      bytes.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        let splitter = PieceSplitter(base: base, count: buffer.count, classes: .shared)
        for start in bytes.indices {
          for pattern in [SplitPattern.o200k, .cl100k] {
            let end = splitter.end(from: start, pattern)
            #expect(end > start && end <= buffer.count)
          }
        }
      }
    }
  }

  @Test("the table of character classes agrees with the standard library, and stays small")
  func classes() {
    let table = CharacterClassTable.shared
    for code in stride(from: UInt32(0), through: 0x10FFFF, by: 7) {
      let expected = Unicode.Scalar(code).map { CharacterClass($0) } ?? []
      #expect(table[code] == expected)
    }
    #expect(table.byteCount < 100_000)
  }
}
