/// Chooses the next call: first the lie of the land, then the words of the question, then the files that
/// turned out to matter, the names they declare, and the modules they import.
struct Itinerary {
  static let callsMax = 30
  static let listingsMax = 7
  static let wordSearchesMax = 4
  static let nameSearchesMax = 5
  static let pieceLines = 120
  static let piecesPerFileMax = 3

  let question: Question
  let notebook: Notebook
  let relevance: Relevance
  /// The tools that the request has.
  let offered: Set<String>

  /// nil: enough is known, or nothing more can be found.
  func next() -> Step? {
    guard notebook.callsForQuestion < Self.callsMax else { return nil }
    if let step = nextListing(upTo: 1) { return step }
    if let step = nextOverview() { return step }
    if let step = nextListing(upTo: Self.listingsMax) { return step }
    if let step = nextWordSearch() { return step }
    // Two files, then a name out of them, and so on; when one kind runs out the other goes on.
    let isTimeToSearch = filesRead >= 2 * (nameSearches + 1)
    return (isTimeToSearch ? nextNameSearch() ?? nextPiece() : nextPiece() ?? nextNameSearch())
  }

  // MARK: The lie of the land

  private func nextListing(upTo limit: Int) -> Step? {
    guard offered.contains("list_files"), notebook.listed.count < limit else { return nil }
    guard !notebook.listed.isEmpty else {
      return .list("", remark: "Let me see how the tree is laid out.")
    }
    let candidates = notebook.directories.filter { !notebook.listed.contains($0) }
      .map { (score: Relevance.score(directory: $0, question), path: $0) }
      .filter { $0.score > -5 }
    guard let best = candidates.max(by: { ($0.score, $1.path) < ($1.score, $0.path) }) else {
      return nil
    }
    return .list(best.path)
  }

  private static let overviews = [
    ["readme"], ["architecture", "contributing", "overview", "design"],
    [
      "package.swift", "pyproject.toml", "cargo.toml", "package.json", "go.mod", "cmakelists.txt",
      "makefile", "setup.py",
    ],
  ]

  /// One readme, one page on the architecture, one manifest, as far as listings have shown them.
  private func nextOverview() -> Step? {
    guard offered.contains("read_file") else { return nil }
    for names in Self.overviews {
      guard let path = overview(named: names) else { continue }
      if notebook.pages[path]?.asked.isEmpty ?? true {
        return .read(
          path, 1...Self.pieceLines, remark: "`\(path)` should say what this is about.")
      }
    }
    return nil
  }

  private func overview(named names: [String]) -> String? {
    for name in names {
      let found = notebook.files.filter {
        Path.depth($0) <= 2 && Path.name($0).lowercased().hasPrefix(name)
      }
      if let path = found.min(by: { (Path.depth($0), $0) < (Path.depth($1), $1) }) { return path }
    }
    return nil
  }

  // MARK: The words of the question

  private func nextWordSearch() -> Step? {
    guard offered.contains("search") else { return nil }
    for stem in question.stems.prefix(Self.wordSearchesMax) where !notebook.wasSearched(stem) {
      return .search(stem, in: sourceDirectory, remark: "Where does `\(stem)` occur?")
    }
    return nil
  }

  /// Where the code is, if a listing has shown a directory with such a name: a search of everything would be cut
  /// before it gets there. Otherwise the root.
  private var sourceDirectory: String {
    let names = ["sources", "src", "source", "lib"]
    return notebook.directories.first { names.contains($0.lowercased()) } ?? ""
  }

  // MARK: What matters

  private var filesRead: Int { notebook.pages.values.count { !$0.asked.isEmpty } }

  private var nameSearches: Int {
    notebook.searches.count { search in !question.stems.contains(search.pattern.lowercased()) }
  }

  /// The next piece of a file: of one that an important file imports, of the most promising unread one, or
  /// the continuation of one that promises more still.
  private func nextPiece() -> Step? {
    guard offered.contains("read_file") else { return nil }
    if filesRead % 3 == 2, let path = importedUnreadFile() {
      return .read(path, firstPiece(of: path), remark: "What I read leans on `\(path)`.")
    }
    for path in relevance.ranked {
      let page = notebook.pages[path]
      let pieces = page?.asked.count ?? 0
      if pieces == 0 {
        // With words to go by, a file without any of them is not worth a call.
        guard relevance.score(path) > 3 || question.stems.isEmpty else { break }
        return .read(path, firstPiece(of: path), remark: remark(on: path))
      }
      let isRich = relevance.score(path) >= 12
      if isRich, pieces < Self.piecesPerFileMax, let page, !page.isWhollyAsked {
        let from = (page.asked.map(\.upperBound).max() ?? 0) + 1
        return .read(path, from...(from + Self.pieceLines - 1))
      }
    }
    return importedUnreadFile().map { .read($0, firstPiece(of: $0)) }
  }

  /// From the top, or from a little before the first match if that lies deep in the file.
  private func firstPiece(of path: String) -> ClosedRange<Int> {
    let shown = notebook.pages[path]?.lines.keys.min() ?? 1
    let start = shown > Self.pieceLines ? shown - 20 : 1
    return start...(start + Self.pieceLines - 1)
  }

  private func remark(on path: String) -> String? {
    let matches = notebook.searches.reduce(0) { sum, search in
      sum + search.hits.count { $0.path == path }
    }
    return matches > 0
      ? "`\(path)` has \(matches) of the matches; I will read it." : "Next, `\(path)`."
  }

  /// A file that is named like, or lies in a directory named like, something that a read file imports.
  private func importedUnreadFile() -> String? {
    for path in relevance.ranked.prefix(12) {
      guard let page = notebook.pages[path], !page.asked.isEmpty else { continue }
      for number in page.lines.keys.sorted() {
        for name in SourceLine.importedNames(page.lines[number] ?? "") {
          if let found = unreadFile(named: name) { return found }
        }
      }
    }
    return nil
  }

  private func unreadFile(named name: String) -> String? {
    relevance.ranked.first { path in
      guard notebook.pages[path]?.asked.isEmpty ?? true else { return false }
      let file = Path.name(path)
      return file.hasPrefix(name + ".") || Path.name(Path.parent(path)) == name
    }
  }

  /// A name declared in what was read, by preference one that has to do with the question.
  private func nextNameSearch() -> Step? {
    guard offered.contains("search"), nameSearches < Self.nameSearchesMax else { return nil }
    var best: (score: Int, name: String)?
    for path in relevance.ranked.prefix(10) where Relevance.isCode(path) {
      guard let page = notebook.pages[path], !page.asked.isEmpty else { continue }
      for number in page.lines.keys.sorted() {
        let line = page.lines[number] ?? ""
        guard let name = SourceLine.declaredName(line), name.count >= 5,
          !notebook.wasSearched(name)
        else { continue }
        // Types before functions, before what is nested (`enum State` is in every other file); and of bake_1,
        // bake_2, bake_3 one is enough.
        let isSibling = notebook.searches.contains { $0.pattern.hasPrefix(name.prefix(5)) }
        let score =
          8 * question.matches(name.lowercased()) + relevance.score(path) / 4
          + (name.first?.isUppercase == true ? 3 : 0) - (isSibling ? 6 : 0)
          - (line.first?.isWhitespace == true ? 5 : 0)
        if score > best?.score ?? Int.min { best = (score, name) }
      }
    }
    return best.map { .search($0.name, remark: "Who else uses `\($0.name)`?") }
  }
}
