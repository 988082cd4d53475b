/// The explorer's written answer. Every statement about a file comes with the place and the words:
///
///     `path:line` — `what stands there`
///
/// Cited are only lines that a tool has shown, in their own words (trimmed, long ones cut at the end).
struct Report {
  static let filesMax = 6
  static let quoteCharacters = 120

  let question: Question
  let notebook: Notebook
  let relevance: Relevance

  var text: String {
    let sections = [opening, layout, findings, connections, unopened]
    return sections.filter { !$0.isEmpty }.joined(separator: "\n\n") + "\n"
  }

  // MARK: Sections

  private var opening: String {
    let read = filesRead.count
    let asked = SourceLine.trim(
      question.text.split(separator: "\n").first.map(String.init) ?? "the tree")
    let listed = notebook.listed.count
    let directories = listed == 1 ? "1 directory" : "\(listed) directories"
    return "# \(asked.prefix(120))\n\nThis answer rests on \(count(notebook.calls, "tool call")):"
      + " \(directories) listed, \(count(read, "file")) read"
      + " in whole or in part, \(notebook.searches.count) words and names searched for."
      + (read == 0 ? " Nothing could be read, so there is nothing to cite." : "")
  }

  private var layout: String {
    let top = notebook.directories.filter { Path.depth($0) == 1 && !$0.hasPrefix(".") }
    guard !top.isEmpty || !overviewCitations.isEmpty else { return "" }
    var text = "## The layout\n"
    for directory in top {
      let inside = notebook.directories.filter { Path.parent($0) == directory }
      let files = notebook.files.count { $0.hasPrefix(directory + "/") }
      text += "\n- `\(directory)/`"
      if !inside.isEmpty {
        text += ": " + inside.prefix(12).map { "`\(Path.name($0))`" }.joined(separator: ", ")
        if inside.count > 12 { text += " and \(inside.count - 12) more" }
      }
      text += notebook.listed.contains(directory) ? "" : " (not listed)"
      if files > 0 { text += "; \(count(files, "file")) seen" }
    }
    if !overviewCitations.isEmpty {
      text += "\n\nIn the project's own words:\n"
      for citation in overviewCitations { text += "\n- \(citation)" }
    }
    return text
  }

  private var findings: String {
    let described = mainFiles.map(description).filter { !$0.isEmpty }
    guard !described.isEmpty else { return "" }
    let found = notebook.searches.filter { question.stems.contains($0.pattern.lowercased()) }
    let isAnswer = question.stems.isEmpty || found.contains { !$0.hits.isEmpty }
    var text =
      isAnswer ? "## What answers the question" : "## What the tree holds instead of an answer"
    if !found.isEmpty {
      let counts = found.map { search in
        "`\(search.pattern)` in \(search.isCut ? "at least " : "")"
          + count(Set(search.hits.map(\.path)).count, "file")
      }
      text += "\n\nThe searches found \(counts.joined(separator: ", "))."
    }
    return text + "\n\n" + described.joined(separator: "\n\n")
  }

  /// Empty if nothing of the file can be quoted.
  private func description(of path: String) -> String {
    let opening = openingComment(of: path)
    let declared = citations(in: path, limit: 4) {
      Relevance.isCode(path) && SourceLine.declaredName($0) != nil
    }
    let told = citations(in: path, limit: 2) {
      SourceLine.declaredName($0) == nil && question.matches($0.lowercased()) > 0
    }.filter { $0 != opening }
    var parts: [String] = []
    if let opening { parts.append("**`\(path)`** begins with: \(opening).") }
    if !declared.isEmpty { parts.append("It declares\n" + bullets(declared)) }
    if !told.isEmpty { parts.append("On the question it says\n" + bullets(told)) }
    if opening == nil, !parts.isEmpty { parts.insert("**`\(path)`**", at: 0) }
    return parts.joined(separator: "\n\n")
  }

  private func count(_ number: Int, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
  }

  /// Where the searched names occur outside the file that declares them, and what the main files import.
  private var connections: String {
    var lines: [String] = []
    for search in notebook.searches
    where !question.stems.contains(search.pattern.lowercased()) && lines.count < 5 {
      let home = search.hits.first {
        Relevance.isCode($0.path) && SourceLine.declaredName($0.text) == search.pattern
      }?.path
      var seen: Set<String> = []
      let uses = search.hits.filter {
        $0.path != home && !SourceLine.isComment($0.text)
          && Identifier.all(in: $0.text).contains(search.pattern) && seen.insert($0.path).inserted
      }
      let cited = uses.compactMap { cite($0.path, $0.line) }.prefix(2)
      guard !cited.isEmpty else { continue }
      let from = home.map { " (declared in `\($0)`)" } ?? ""
      lines.append("`\(search.pattern)`\(from) also occurs at \(cited.joined(separator: " and "))")
    }
    for path in mainFiles.prefix(3) {
      for citation in citations(
        in: path, limit: 1, { !SourceLine.importedNames($0).isEmpty && !$0.contains("(") })
      {
        lines.append("`\(path)` imports: \(citation)")
      }
    }
    return lines.isEmpty ? "" : "## How the parts hang together\n" + bullets(lines)
  }

  private var unopened: String {
    let paths = relevance.ranked.filter {
      relevance.score($0) > 8 && (notebook.pages[$0]?.asked.isEmpty ?? true)
    }
    guard !paths.isEmpty else { return "" }
    return "## Where to read on\n\nThese matched too, but were not opened: "
      + paths.prefix(5).map { "`\($0)`" }.joined(separator: ", ") + "."
  }

  private func bullets(_ lines: [String]) -> String {
    lines.map { "\n- \($0)" }.joined()
  }

  // MARK: What to cite

  private var filesRead: [String] {
    relevance.ranked.filter { !(notebook.pages[$0]?.asked.isEmpty ?? true) }
  }

  private var mainFiles: [String] {
    Array(filesRead.filter { !isOverview($0) }.prefix(Self.filesMax))
  }

  private func isOverview(_ path: String) -> Bool {
    ["md", "rst", "txt"].contains(Path.suffix(path)) && Path.depth(path) <= 2
  }

  /// The first sentences of the readme and the like.
  private var overviewCitations: [String] {
    filesRead.filter(isOverview).prefix(3).flatMap { path in
      citations(in: path, limit: 2) { line in
        line.first?.isLetter == true && line.split(separator: " ").count >= 6
          && !line.contains { "│┌└─|".contains($0) }
      }
    }
  }

  private func openingComment(of path: String) -> String? {
    guard let page = notebook.pages[path] else { return nil }
    for number in page.lines.keys.sorted().prefix(12) {
      let line = page.lines[number] ?? ""
      if SourceLine.isComment(line), line.count(where: \.isLetter) > 20,
        !line.lowercased().contains("copyright"), let citation = cite(path, number)
      {
        return citation
      }
    }
    return nil
  }

  /// The best lines of a file that pass `isWanted`: those with the most words of the question, then the
  /// first.
  private func citations(
    in path: String, limit: Int, _ isWanted: (String) -> Bool
  ) -> [String] {
    guard let page = notebook.pages[path] else { return [] }
    let wanted = page.lines.filter { isWanted($0.value) && quote($0.value) != nil }
    let best = wanted.map { (words: question.matches($0.value.lowercased()), line: $0.key) }
      .sorted { ($0.words, $1.line) > ($1.words, $0.line) }
    return best.prefix(limit).map(\.line).sorted().compactMap { cite(path, $0) }
  }

  private func cite(_ path: String, _ line: Int) -> String? {
    guard let text = notebook.line(line, of: path), let quoted = quote(text), !path.contains("`")
    else { return nil }
    return "`\(path):\(line)` — `\(quoted)`"
  }

  /// nil for a line that cannot stand between backticks, or says nothing.
  private func quote(_ line: String) -> String? {
    let trimmed = SourceLine.trim(line)
    guard trimmed.count >= 3, !trimmed.contains("`") else { return nil }
    guard trimmed.count > Self.quoteCharacters else { return trimmed }
    // A long line is cut at a blank, so that no word is left in half.
    let cut = trimmed.prefix(Self.quoteCharacters)
    let end = cut.lastIndex(where: \.isWhitespace) ?? cut.endIndex
    return SourceLine.trim(String(cut[..<end]))
  }
}
