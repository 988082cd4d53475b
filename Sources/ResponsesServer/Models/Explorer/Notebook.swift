import RWSJSON

/// All that the tools have returned so far, and nothing else: the explorer knows no other source.
///
/// The formats of the tools' outputs are those of `docs/explorer-tools.md`:
///
///     list_files   one path a line, relative to the root; directories end with "/"
///     read_file    "<path>: lines <a>-<b> of <n>", then "<line number>: <text>" for each line
///     search       "<path>:<line number>: <text>" for each match
///
/// A line that has none of these forms (an error, a note in parentheses) teaches nothing and does no harm.
struct Notebook {
  struct Hit {
    let path: String
    let line: Int
    let text: String
  }

  struct Search {
    let pattern: String
    let hits: [Hit]
    /// The tool said that there are more.
    let isCut: Bool
  }

  /// The lines of one file that a tool has shown.
  struct Page {
    var lines: [Int: String] = [:]
    /// Known once a piece was read.
    var lineCount: Int?
    /// The pieces asked for, whatever came.
    var asked: [ClosedRange<Int>] = []

    var isWhollyAsked: Bool {
      guard let lineCount else { return !asked.isEmpty }
      return (asked.map(\.upperBound).max() ?? 0) >= lineCount
    }
  }

  private(set) var directories: [String] = []
  private(set) var files: [String] = []
  private(set) var listed: Set<String> = []
  private(set) var pages: [String: Page] = [:]
  private(set) var searches: [Search] = []
  private(set) var calls = 0
  /// Those made for the present question.
  private(set) var callsForQuestion = 0
  private var known: Set<String> = []

  init(_ items: [Item]) {
    var pending: [String: Item] = [:]
    for item in items {
      switch item.kind {
      case .message(.user):
        callsForQuestion = 0
      case .call:
        if let id = item.callID { pending[id] = item }
        calls += 1
        callsForQuestion += 1
      case .output:
        if let id = item.callID, let call = pending.removeValue(forKey: id) {
          note(call, returned: item.text)
        }
      case .message, .reasoning, .reference, .compaction, .compactionTrigger, .other:
        break
      }
    }
  }

  /// The text of a line that some tool has shown.
  func line(_ number: Int, of path: String) -> String? {
    pages[path]?.lines[number]
  }

  func isKnown(_ path: String) -> Bool { known.contains(path) }

  func wasSearched(_ pattern: String) -> Bool {
    searches.contains { $0.pattern.lowercased() == pattern.lowercased() }
  }

  private mutating func note(_ call: Item, returned text: String) {
    guard let arguments = try? JSONValue(parsing: call.text) else { return }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: true)
      .map { $0.last == "\r" ? $0.dropLast() : $0 }
    switch call.name {
    case "list_files":
      noteListing(of: Path.normal(arguments["path"]?.string ?? "."), lines)
    case "read_file":
      let start = Self.lineNumber(arguments["start_line"]?.int ?? 1)
      let end = Self.lineNumber(arguments["end_line"]?.int ?? .max)
      notePiece(of: Path.normal(arguments["path"]?.string ?? ""), start, end, lines)
    case "search":
      noteSearch(for: arguments["pattern"]?.string ?? "", lines)
    default:
      break
    }
  }

  private mutating func noteListing(of directory: String, _ lines: [Substring]) {
    listed.insert(directory)
    for line in lines where !line.hasPrefix("error:") && !line.hasPrefix("(") {
      let isDirectory = line.hasSuffix("/")
      let path = Path.normal(String(line))
      guard !path.isEmpty, known.insert(path).inserted else { continue }
      if isDirectory { directories.append(path) } else { files.append(path) }
    }
  }

  private mutating func notePiece(of path: String, _ start: Int, _ end: Int, _ lines: [Substring]) {
    var page = pages[path] ?? Page()
    page.asked.append(start...max(start, end))
    for line in lines {
      if let (number, text) = Self.numbered(line) {
        page.lines[number] = String(text)
      } else if page.lineCount == nil, line.hasPrefix(path + ": lines "),
        let count = line.split(separator: " ").last.flatMap({ Int($0) })
      {
        page.lineCount = min(count, Self.lineNumberMax)
      }
    }
    pages[path] = page
  }

  private mutating func noteSearch(for pattern: String, _ lines: [Substring]) {
    var hits: [Hit] = []
    for line in lines {
      guard let hit = Self.hit(line) else { continue }
      hits.append(hit)
      pages[hit.path, default: Page()].lines[hit.line] = hit.text
      if known.insert(hit.path).inserted { files.append(hit.path) }
    }
    let isCut = !hits.isEmpty && (lines.last?.hasPrefix("(") ?? false)
    searches.append(Search(pattern: pattern, hits: hits, isCut: isCut))
  }

  /// Beyond this no number is taken for a line's: what a client sends must not overflow our sums.
  private static let lineNumberMax = 100_000_000

  private static func lineNumber(_ number: Int64) -> Int {
    Int(min(max(number, 1), Int64(lineNumberMax)))
  }

  /// `12: text`
  private static func numbered(_ line: Substring) -> (Int, Substring)? {
    let digits = line.prefix { $0.isASCII && $0.isNumber }
    guard let number = Int(digits), number <= lineNumberMax,
      line.dropFirst(digits.count).first == ":"
    else { return nil }
    let rest = line.dropFirst(digits.count + 1)
    return (number, rest.first == " " ? rest.dropFirst() : rest)
  }

  /// `path:12: text`. A path may hold colons: the first one with a number and another colon after it ends it.
  private static func hit(_ line: Substring) -> Hit? {
    var rest = line
    while let colon = rest.firstIndex(of: ":") {
      let after = line[line.index(after: colon)...]
      if let (number, text) = numbered(after), colon > line.startIndex {
        return Hit(
          path: Path.normal(String(line[..<colon])), line: number, text: String(text))
      }
      rest = after
    }
    return nil
  }
}

enum Path {
  /// Without "./" before it and "/" after it; the root is the empty path.
  static func normal(_ path: String) -> String {
    var path = path[...]
    while path.hasPrefix("./") { path = path.dropFirst(2) }
    while path.hasSuffix("/") { path = path.dropLast() }
    return path == "." ? "" : String(path)
  }

  static func name(_ path: String) -> Substring {
    path.split(separator: "/").last ?? ""
  }

  static func parent(_ path: String) -> String {
    path.split(separator: "/").dropLast().joined(separator: "/")
  }

  static func depth(_ path: String) -> Int {
    path.isEmpty ? 0 : path.count { $0 == "/" } + 1
  }

  /// In lower case, without the dot; empty if there is none.
  static func suffix(_ path: String) -> String {
    let name = name(path)
    guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return "" }
    return name[name.index(after: dot)...].lowercased()
  }
}
