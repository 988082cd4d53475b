/// What a line of code says, as far as one can tell without knowing its language.
enum SourceLine {
  private static let declaring: Set<String> = [
    "actor", "class", "def", "enum", "extension", "fn", "func", "function", "impl", "interface",
    "module", "mod", "namespace", "object", "protocol", "record", "struct", "trait", "type",
    "typealias", "typedef",
  ]

  private static let importing: Set<String> = [
    "import", "from", "use", "using", "require", "include", "mod",
  ]

  /// The name that the line declares, as in `package struct Lane {` or `def read(self):`.
  static func declaredName(_ line: String) -> String? {
    guard !isComment(line) else { return nil }
    let words = Identifier.all(in: line)
    guard let index = words.firstIndex(where: declaring.contains), index <= 4,
      index + 1 < words.count
    else { return nil }
    let name = words[index + 1]
    // `enum class X`, `static func ==`: the word after the keyword must be a name of some length.
    return name.count >= 3 && !declaring.contains(name) ? name : nil
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
