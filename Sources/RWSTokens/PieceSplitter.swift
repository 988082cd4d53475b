/// Finds where pieces end: the regular expressions of the vocabularies, written out by hand. Each
/// function names the alternative of the pattern that it stands for; their order decides.
///
/// The text must be well-formed UTF-8. Nothing before a piece has a say in where it ends.
struct PieceSplitter {
  let base: UnsafePointer<UInt8>
  let count: Int
  let classes: CharacterClassTable

  /// The end of the piece that begins at `start`, which must be less than `count`.
  @inline(__always)
  func end(from start: Int, _ pattern: SplitPattern) -> Int {
    switch pattern {
    case .o200k: endOfO200k(from: start)
    case .cl100k: endOfCL100k(from: start)
    }
  }

  // MARK: o200k_base

  /// Each of the first two alternatives is a word, one character other than a letter, a number or a
  /// line end before it, and a contraction after it:
  ///
  ///     [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
  ///     [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
  @inline(__always)
  private func endOfO200k(from start: Int) -> Int {
    let first = character(at: start)
    if first.class.isAny(of: .letter) { return endOfContraction(from: word(from: start).end) }
    if first.class.isAny(of: .number) { return endOfNumber(from: start) }
    let second = self.class(at: first.end)
    let isMark = first.class.isAny(of: .mark)
    if !first.class.isAny(of: .lineEnd), second.isAny(of: [.letter, .mark]) {
      let word = word(from: first.end)
      // A mark can itself be the word of the first alternative, which goes before the second.
      return isMark && !word.hasTail ? first.end : endOfContraction(from: word.end)
    }
    if isMark { return endOfContraction(from: first.end) }
    return endOfSymbolsOrSpace(first, second, from: start, .o200k)
  }

  /// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`, the expression stepping back for its second part
  /// to the last character that belongs to both; without any `[\p{Lu}\p{Lt}]+`, and no tail.
  @inline(__always)
  private func word(from start: Int) -> (end: Int, hasTail: Bool) {
    var index = start
    var endOfTail = -1
    while index < count {
      let next = character(at: index)
      guard next.class.isAny(of: [.upper, .uncased, .mark]) else {
        guard next.class.isAny(of: .lower) else { break }
        return (endOfRun(of: [.lower, .uncased, .mark], from: next.end), true)
      }
      index = next.end
      if next.class.isAny(of: [.uncased, .mark]) { endOfTail = index }
    }
    return endOfTail > 0 ? (endOfTail, true) : (index, false)
  }

  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)?`
  @inline(__always)
  private func endOfContraction(from start: Int) -> Int {
    guard start < count, base[start] == UInt8(ascii: "'") else { return start }
    return start &+ lengthOfContraction(at: start)
  }

  /// Of the contraction that begins with the apostrophe at `index`; 0: none.
  private func lengthOfContraction(at index: Int) -> Int {
    guard index &+ 1 < count else { return 0 }
    let second = index &+ 2 < count ? base[index &+ 2] : 0
    switch base[index &+ 1] {
    case UInt8(ascii: "s"), UInt8(ascii: "S"), UInt8(ascii: "t"), UInt8(ascii: "T"),
      UInt8(ascii: "m"), UInt8(ascii: "M"), UInt8(ascii: "d"), UInt8(ascii: "D"):
      return 2
    case UInt8(ascii: "r"), UInt8(ascii: "R"), UInt8(ascii: "v"), UInt8(ascii: "V"):
      return second | 0x20 == UInt8(ascii: "e") ? 3 : 0
    case UInt8(ascii: "l"), UInt8(ascii: "L"):
      return second | 0x20 == UInt8(ascii: "l") ? 3 : 0
    case 0xC5:
      // U+017F, the long s, is an s where case does not count.
      return second == 0xBF ? 3 : 0
    default:
      return 0
    }
  }

  // MARK: cl100k_base

  ///     '(?i:[sdmt]|ll|ve|re)
  ///     [^\r\n\p{L}\p{N}]?+\p{L}++
  private func endOfCL100k(from start: Int) -> Int {
    if base[start] == UInt8(ascii: "'") {
      let length = lengthOfContraction(at: start)
      if length > 0 { return start &+ length }
    }
    let first = character(at: start)
    if first.class.isAny(of: .letter) { return endOfRun(of: .letter, from: first.end) }
    if first.class.isAny(of: .number) { return endOfNumber(from: start) }
    let second = self.class(at: first.end)
    if !first.class.isAny(of: .lineEnd), second.isAny(of: .letter) {
      return endOfRun(of: .letter, from: first.end)
    }
    return endOfSymbolsOrSpace(first, second, from: start, .cl100k)
  }

  // MARK: Both

  /// `\p{N}{1,3}`
  @inline(__always)
  private func endOfNumber(from start: Int) -> Int {
    var index = start
    for _ in 0..<3 where index < count {
      let next = character(at: index)
      guard next.class.isAny(of: .number) else { break }
      index = next.end
    }
    return index
  }

  /// ` ?[^\s\p{L}\p{N}]+[\r\n/]*` (without the slash in cl100k_base), else white space.
  @inline(__always)
  private func endOfSymbolsOrSpace(
    _ first: Character, _ second: CharacterClass, from start: Int, _ pattern: SplitPattern
  ) -> Int {
    let taken: CharacterClass = [.letter, .number, .space]
    let isSymbol = !first.class.isAny(of: taken)
    let isBlank = base[start] == UInt8(ascii: " ") && first.end < count && !second.isAny(of: taken)
    guard isSymbol || isBlank else { return endOfSpace(from: start, pattern) }
    var index = first.end
    while index < count {
      let next = character(at: index)
      if next.class.isAny(of: taken) { break }
      index = next.end
    }
    while index < count, endsLine(base[index], pattern) { index &+= 1 }
    return index
  }

  @inline(__always)
  private func endsLine(_ byte: UInt8, _ pattern: SplitPattern) -> Bool {
    switch byte {
    case UInt8(ascii: "\n"), UInt8(ascii: "\r"): true
    case UInt8(ascii: "/"): pattern == .o200k
    default: false
    }
  }

  /// `\s*[\r\n]+`, `\s+(?!\S)`, `\s+`: to the last line end; else all of it at the end of the text,
  /// or all but the last character, which goes with what follows; else that one. Before these,
  /// cl100k_base has `\s++$`: white space that ends the text is one piece, line ends or not.
  private func endOfSpace(from start: Int, _ pattern: SplitPattern) -> Int {
    var index = start
    var last = start
    var endOfLine = -1
    while index < count {
      let next = character(at: index)
      guard next.class.isAny(of: .space) else { break }
      last = index
      index = next.end
      if next.class.isAny(of: .lineEnd) { endOfLine = index }
    }
    if endOfLine > 0, pattern == .o200k || index < count { return endOfLine }
    return index == count || last == start ? index : last
  }

  // MARK: Characters

  typealias Character = (class: CharacterClass, end: Int)

  @inline(__always)
  private func endOfRun(of wanted: CharacterClass, from start: Int) -> Int {
    var index = start
    while index < count {
      let next = character(at: index)
      guard next.class.isAny(of: wanted) else { break }
      index = next.end
    }
    return index
  }

  /// Of the character at `index`; none at the end of the text.
  @inline(__always)
  private func `class`(at index: Int) -> CharacterClass {
    index < count ? character(at: index).class : []
  }

  @inline(__always)
  private func character(at index: Int) -> Character {
    let byte = base[index]
    return byte < 0x80 ? (classes[ascii: byte], index &+ 1) : characterBeyondASCII(at: index)
  }

  /// Never reads past the end, nor looks up beyond the table, even if the text is not UTF-8.
  private func characterBeyondASCII(at index: Int) -> Character {
    let lead = UInt32(base[index])
    let length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
    guard count &- index >= length else { return ([], count) }
    var scalar = lead & (0x7F &>> UInt32(truncatingIfNeeded: length))
    for offset in 1..<length {
      scalar = scalar &<< 6 | UInt32(base[index &+ offset] & 0x3F)
    }
    return (classes[min(scalar, 0x10FFFF)], index &+ length)
  }
}
