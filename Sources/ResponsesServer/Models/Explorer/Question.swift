/// What the user wants to know, as stems that can be looked for in paths and lines.
struct Question {
  let text: String
  /// Lower case, most telling first: names as they stand in code, then other words in their order.
  let stems: [String]

  static let stemsMax = 6

  init(_ text: String) {
    self.text = text
    var names: [String] = []
    var words: [String] = []
    for word in Identifier.all(in: text) {
      let isName = word.contains("_") || word.dropFirst().contains(where: \.isUppercase)
      if isName {
        names.append(word.lowercased())
      } else if word.count >= 3, !Self.common.contains(word.lowercased()) {
        words.append(Self.stem(word.lowercased()))
      }
    }
    var seen: Set<String> = []
    stems = Array(
      (names + words).filter { $0.count >= 3 && seen.insert($0).inserted }
        .prefix(Self.stemsMax))
  }

  /// How many of the stems stand in `text`, which is lower case.
  func matches(_ text: String) -> Int {
    stems.count { text.contains($0) }
  }

  private static func stem(_ word: String) -> String {
    if word.hasSuffix("ies"), word.count > 5 { return word.dropLast(3) + "y" }
    if word.hasSuffix("ing"), word.count > 6 { return String(word.dropLast(3)) }
    if word.hasSuffix("s"), !word.hasSuffix("ss"), word.count > 4 { return String(word.dropLast()) }
    return word
  }

  /// Words of questions, and words that every code base is full of.
  private static let common: Set<String> = [
    "about", "after", "all", "and", "answer", "any", "are", "before", "between", "but", "can",
    "cite", "code", "codebase", "could", "describe", "did", "directory", "does", "done", "each",
    "every", "everything", "explain", "file", "files", "find", "first", "for", "from", "give",
    "had", "handle", "handled", "handles", "has", "have", "here", "how", "implement",
    "implemented", "implements", "into", "its", "kept", "library", "like", "line", "lines",
    "look", "made", "main", "make", "most", "name", "named", "not", "one", "only", "other",
    "our", "out", "over", "overview", "package", "part", "parts", "path", "please", "program",
    "project", "read", "repo", "repository", "root", "say", "see", "should", "show", "source",
    "sources", "structure", "structured", "tell", "than", "that", "the", "their", "them", "then",
    "there", "these", "they", "thing", "this", "through", "tree", "use", "used", "uses", "using",
    "want", "was", "way", "were", "what", "when", "where", "which", "who", "why", "will", "with",
    "work", "works", "would", "write", "you", "your",
  ]
}

enum Identifier {
  /// Runs of letters, digits and underscores that do not begin with a digit.
  static func all(in text: String) -> [String] {
    text.split { !($0.isLetter || $0.isNumber || $0 == "_") }
      .filter { $0.first.map { !$0.isNumber } ?? false }.map(String.init)
  }
}
