/// What a line of code says, as far as one can tell without knowing its language.
enum SourceLine {
  private static let declaring: Set<String> = [
    "actor", "class", "def", "enum", "fn", "func", "function", "interface", "mod", "module",
    "namespace", "protocol", "record", "struct", "trait", "type", "typealias", "union",
  ]

  /// What may stand before a declaring word. After anything else it declares nothing: prose, an expression.
  private static let modifiers: Set<String> = [
    "abstract", "async", "const", "data", "default", "export", "extern", "final", "fileprivate",
    "indirect", "inline", "internal", "mutating", "nonisolated", "open", "override", "package",
    "partial", "private", "protected", "pub", "public", "sealed", "static", "typedef", "unsafe",
  ]

  private static let importing: Set<String> = [
    "import", "from", "use", "using", "require", "include", "mod",
  ]

  /// The name that the line declares, as in `package struct Lane {` or `def read(self):`.
  static func declaredName(_ line: String) -> String? {
    guard !isComment(line) else { return nil }
    let line = withoutAttributes(trim(line))
    let words = Identifier.all(in: line)
    guard let first = words.first, line.hasPrefix(first),
      let index = words.firstIndex(where: declaring.contains),
      words[..<index].allSatisfy(modifiers.contains)
    else { return nil }
    // `enum class X`, `typedef struct x`: the name comes after the last of them.
    guard let name = words[index...].first(where: { !declaring.contains($0) }), name.count >= 3,
      line.contains(" " + name)
    else { return nil }
    return name
  }

  /// Without `@Suite`, `@objc(name)` and the like in front.
  private static func withoutAttributes(_ line: String) -> String {
    var line = line[...]
    while line.first == "@" {
      let end = line.firstIndex { $0 == " " || $0 == "(" } ?? line.endIndex
      line = line[end...]
      if line.first == "(" { line = line.drop { $0 != ")" }.dropFirst() }
      line = line.drop(while: \.isWhitespace)
    }
    return String(line)
  }

  /// The names on an import line: modules, or the parts of a path.
  static func importedNames(_ line: String) -> [String] {
    let trimmed = trim(line)
    let words = Identifier.all(in: trimmed)
    guard let first = words.first, importing.contains(first), words.count <= 8,
      trimmed.hasPrefix("#") || trimmed.hasPrefix(first)
    else { return [] }
    if trimmed.hasPrefix("#"), first != "include" { return [] }
    return words.dropFirst().filter { $0.count >= 3 && !importing.contains($0) }
  }

  static func isComment(_ line: String) -> Bool {
    let line = trim(line)
    return line.hasPrefix("//") || line.hasPrefix("/*") || line.hasPrefix("*")
      || (line.hasPrefix("#") && !line.hasPrefix("#include") && !line.hasPrefix("#import"))
      || line.hasPrefix("\"\"\"") || line.hasPrefix("--")
  }

  static func trim(_ line: String) -> String {
    var line = line[...]
    while line.first?.isWhitespace == true { line = line.dropFirst() }
    while line.last?.isWhitespace == true { line = line.dropLast() }
    return String(line)
  }
}
