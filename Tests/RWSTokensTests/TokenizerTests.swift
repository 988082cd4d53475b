import Testing

@testable import RWSTokens

@Suite struct TokenizerTests {
  @Test("pieces are merged as BPE does it by the book", arguments: [1, 2, 3, 4] as [UInt64])
  func byTheBook(seed: UInt64) throws {
    let alphabet = "abcde fgÄßλ日本語\n"
    let small = SmallVocabulary(seed: seed, merges: 600, alphabet: alphabet)
    let vocabulary = try small.vocabulary()
    let tokenizer = Tokenizer(vocabulary)
    var random = SplitMix(seed)
    for _ in 0..<300 {
      let length = 1 + random.below(random.below(8) == 0 ? 400 : 40)
      let letters = Array(alphabet.unicodeScalars.prefix(2 + random.below(14)))
      var text = ""
      for _ in 0..<length { text.unicodeScalars.append(letters[random.below(letters.count)]) }
      let expected = pieces(of: text, .o200k).flatMap { small.merge(Array($0.utf8)) }
      #expect(tokenizer.encode(Array(text.utf8)) == expected)
      // Twice, the second time from the cache.
      #expect(tokenizer.count(Array(text.utf8)) == expected.count)
      #expect(tokenizer.count(Array(text.utf8)) == expected.count)
    }
  }

  @Test("one piece of any length is merged by the book, below and above the turn to the heap")
  func lengths() throws {
    let small = SmallVocabulary(seed: 9, merges: 60, alphabet: "ab")
    let tokenizer = Tokenizer(try small.vocabulary())
    var random = SplitMix(9)
    for length in Array(1...40) + Array(120...140) + [300, 500] {
      let piece = (0..<length).map { _ in random.below(3) == 0 ? UInt8(ascii: "b") : UInt8(ascii: "a") }
      #expect(tokenizer.encode(piece) == small.merge(piece))
    }
  }

  @Test("a text that ends where its memory ends is not read beyond")
  func endOfMemory() throws {
    let small = SmallVocabulary(seed: 3, merges: 100, alphabet: "abc ")
    let tokenizer = Tokenizer(try small.vocabulary())
    for length in 1...40 {
      // Allocated as large as it is, so that the address sanitizer sees a read too far.
      let text = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 1)
      defer { text.deallocate() }
      for index in 0..<length { text[index] = Array("abcba ab c".utf8)[index % 10] }
      let expected = pieces(of: String(decoding: text, as: UTF8.self), .o200k)
        .flatMap { small.merge(Array($0.utf8)) }
      #expect(tokenizer.encode(UnsafeRawBufferPointer(text)) == expected)
      #expect(tokenizer.count(UnsafeRawBufferPointer(text)) == expected.count)
    }
  }

  @Test("what is not UTF-8 counts as U+FFFD")
  func invalid() throws {
    let small = SmallVocabulary(seed: 5, merges: 50, alphabet: "ab\u{FFFD}")
    let tokenizer = Tokenizer(try small.vocabulary())
    for bytes: [UInt8] in [[0xFF], [0x61, 0xC3], [0xE2, 0x82, 0x61], [0xF0, 0x9F, 0x98], [0x80, 0x62]] {
      let replaced = Array(String(decoding: bytes, as: UTF8.self).utf8)
      #expect(tokenizer.encode(bytes) == tokenizer.encode(replaced))
      #expect(tokenizer.count(bytes) == tokenizer.encode(replaced).count)
    }
  }

  @Test("an empty text has no tokens")
  func empty() throws {
    let tokenizer = Tokenizer(try SmallVocabulary(seed: 1, merges: 0, alphabet: "a").vocabulary())
    #expect(tokenizer.count(UnsafeRawBufferPointer(start: nil, count: 0)) == 0)
    #expect(tokenizer.encode([]) == [])
  }

  @Test("a piece of a million bytes takes time by its length, not the square: one merge for each byte")
  func longPiece() throws {
    // Squared it would be hours.
    let small = SmallVocabulary(seed: 1, merges: 3, alphabet: "a")
    let tokenizer = Tokenizer(try small.vocabulary())
    let longest = small.ranks.keys.map(\.count).max() ?? 1
    let count = tokenizer.count([UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000))
    #expect(count >= 1_000_000 / longest && count <= 1_000_000)
  }

  @Test("a piece over the limit is cut there")
  func cutPiece() throws {
    let small = SmallVocabulary(seed: 1, merges: 1, alphabet: "a")
    let tokenizer = Tokenizer(try small.vocabulary())
    let limit = Tokenizer.pieceByteLimit
    let letters = [UInt8](repeating: UInt8(ascii: "a"), count: 2 * limit + 3)
    #expect(tokenizer.count(letters) == limit + 2)
    #expect(tokenizer.encode(letters).count == limit + 2)
  }
}
