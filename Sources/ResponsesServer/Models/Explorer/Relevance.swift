/// How much each known file promises for the question: by its path, and by what searches found in it.
struct Relevance {
  private(set) var scores: [String: Int] = [:]
  /// Best first; equal ones by path.
  private(set) var ranked: [String] = []

  static func isCode(_ path: String) -> Bool { code.contains(Path.suffix(path)) }

  private static let code: Set<String> = [
    "c", "cc", "cpp", "cs", "ex", "go", "h", "hpp", "java", "js", "jsx", "kt", "lua", "m", "php",
    "pl", "py", "rb", "rs", "scala", "sh", "sql", "swift", "ts", "tsx", "zig",
  ]
  private static let prose: Set<String> = ["md", "rst", "txt", "adoc"]
  private static let unread: Set<String> = [
    "a", "bin", "dll", "dylib", "exe", "gif", "gz", "ico", "jpeg", "jpg", "lock", "o", "pdf", "png",
    "pyc", "so", "svg", "tar", "wasm", "webp", "woff", "zip",
  ]

  init(_ question: Question, _ notebook: Notebook) {
    var hits: [String: [String: Int]] = [:]
    for search in notebook.searches {
      for hit in search.hits {
        hits[hit.path, default: [:]][search.pattern.lowercased(), default: 0] += 1
      }
    }
    for path in notebook.files where !Self.unread.contains(Path.suffix(path)) {
      let lower = path.lowercased()
      var score = 6 * question.matches(lower)
      // A file that has many of the words is worth more than one that has one of them often.
      for (_, count) in hits[path] ?? [:] { score += 4 + min(count, 5) }
      let suffix = Path.suffix(path)
      if Self.code.contains(suffix) { score += 3 }
      if Self.prose.contains(suffix) { score += 1 }
      if Self.isEntryPoint(path) { score += 2 }
      if lower.contains("test") || lower.contains("fixture") { score -= 15 }
      scores[path] = score - Path.depth(path) / 3
    }
    ranked = scores.keys.sorted { (scores[$0] ?? 0, $1) > (scores[$1] ?? 0, $0) }
  }

  func score(_ path: String) -> Int { scores[path] ?? 0 }

  private static func isEntryPoint(_ path: String) -> Bool {
    let name = Path.name(path).lowercased()
    return ["main.", "lib.", "index.", "app.", "__init__.", "mod.", "server.", "client."]
      .contains { name.hasPrefix($0) }
  }

  /// A directory's promise, to choose which to list next.
  static func score(directory path: String, _ question: Question) -> Int {
    let lower = path.lowercased()
    let name = Path.name(lower)
    var score = 5 * question.matches(lower)
    if ["sources", "source", "src", "lib", "include", "app", "pkg", "cmd", "core", "internal"]
      .contains(String(name))
    {
      score += 6
    }
    if lower.hasPrefix("sources/") || lower.hasPrefix("src/") || lower.hasPrefix("lib/") {
      score += 3
    }
    if name == "docs" || name == "doc" || name == "bindings" || name == "examples" { score += 2 }
    if lower.contains("test") { score -= 3 }
    if name.hasPrefix(".") || ["build", "node_modules", "vendor", "target", "dist"]
      .contains(String(name))
    {
      score -= 20
    }
    return score - Path.depth(path)
  }
}
