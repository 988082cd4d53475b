import RWSTokens

/// The first choice says what the body is: a vocabulary file, or an item and a text to count.
func tokens(_ input: FuzzInput) {
  if input.choice(0) {
    do {
      blackHole(try Vocabulary(input.body).tokenCount)
    } catch {
      blackHole("\(error)")
    }
    return
  }
  let vocabulary = input.choice(1) ? o200k : cl100k
  let tokenizer = Tokenizer(vocabulary)
  let ranks = tokenizer.encode(input.body)
  check(tokenizer.count(input.body) == ranks.count, "counted otherwise than encoded")
  // From the cache.
  check(tokenizer.count(input.body) == ranks.count, "counted otherwise the second time")
  let replaced = Array(String(decoding: input.body, as: UTF8.self).utf8)
  check(ranks.count <= replaced.count, "\(ranks.count) tokens of \(replaced.count) bytes")
  let text = ranks.flatMap { bytesOfToken[$0] ?? [] }
  check(text == replaced, "the tokens are another text: \(text)")

  let measure = ItemCounter(vocabulary).measure(item: input.body)
  check(measure.bytes + measure.reasoningBytes <= input.body.count, "longer than the item")
  check((measure.tokens ?? 0) <= measure.bytes, "more tokens than bytes")
}

private let o200k = vocabulary(.o200k)
private let cl100k = vocabulary(.cl100k)

/// All bytes, and what the seeds' words are merged from.
private let bytesOfToken: [UInt32: [UInt8]] = {
  var tokens = (UInt8.min...UInt8.max).map { [$0] }
  for word in [" the", "token", "\n\n\n", "'s", "日本", "é", "aaaa", " internationalisation"] {
    let bytes = Array(word.utf8)
    for count in 2...bytes.count { tokens.append(Array(bytes[..<count])) }
  }
  return Dictionary(uniqueKeysWithValues: tokens.enumerated().map { (UInt32($0), $1) })
}()

private func vocabulary(_ pattern: SplitPattern) -> Vocabulary {
  let lines = bytesOfToken.map { "\(base64($1)) \($0)\n" }.joined()
  guard
    let vocabulary = try? Array(lines.utf8).withUnsafeBytes({
      try Vocabulary($0, pattern: pattern)
    })
  else { fatalError("the vocabulary of the fuzz target was refused") }
  return vocabulary
}

private func base64(_ bytes: [UInt8]) -> String {
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
