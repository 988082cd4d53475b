import FoundationEssentials
import ResponsesWS

/// The three tools over one directory, as docs/explorer-tools.md describes them. Paths come from the
/// model: nothing outside the root, nothing hidden, no build output, no symbolic links.
struct Tools: Sendable {
  let root: String

  /// By the names of their declarations.
  var functions: [String: Tool] {
    let tool = Tool { [self] call in run(call.name, arguments: call.arguments) }
    return ["list_files": tool, "read_file": tool, "search": tool]
  }

  private static let leftOut: Set<Substring> = [
    "build", "node_modules", "__pycache__", "venv", "target", "dist",
  ]
  private static let entriesMax = 400
  private static let linesMax = 200
  private static let matchesMax = 60
  private static let charactersMax = 400
  private static let fileBytesMax = 2 << 20

  private struct Arguments: Decodable {
    var path: String
    var pattern: String?
    var start_line: Int?
    var end_line: Int?
  }

  /// - Parameter json: the arguments as the model wrote them.
  func run(_ name: String, arguments json: String) -> String {
    guard let arguments = try? JSONDecoder().decode(Arguments.self, from: Data(json.utf8)) else {
      return "error: the arguments are not those of the tool"
    }
    switch (name, arguments.pattern, arguments.start_line, arguments.end_line) {
    case ("list_files", _, _, _): return listFiles(arguments.path)
    case ("read_file", _, let first?, let last?): return readFile(arguments.path, first, last)
    case ("search", let pattern?, _, _): return search(pattern, in: arguments.path)
    case ("read_file", _, _, _), ("search", _, _, _): return "error: an argument is missing"
    default: return "error: there is no tool \(name)"
    }
  }

  private func listFiles(_ path: String) -> String {
    guard let names = entries(path) else { return "error: \(path) is no directory to be read" }
    guard !names.isEmpty else { return "(empty)" }
    let shown = names.prefix(Self.entriesMax)
    return shown.joined(separator: "\n") + (names.count > shown.count ? "\n(more entries)" : "")
  }

  private func readFile(_ path: String, _ start: Int, _ end: Int) -> String {
    guard let lines = lines(path) else { return "error: \(path) is no text file to be read" }
    let first = max(1, start)
    let last = min(lines.count, max(end, 0), first + Self.linesMax - 1)
    guard first <= last || lines.isEmpty else {
      return "error: \(path) has \(lines.count) lines; none of them was asked for"
    }
    let header = "\(path): lines \(first)-\(last) of \(lines.count)"
    return ([header] + zip(first..., lines[(first - 1)..<last]).map { "\($0): \(cut($1))" })
      .joined(separator: "\n")
  }

  private func search(_ pattern: String, in path: String) -> String {
    guard !pattern.isEmpty else { return "error: the pattern is empty" }
    guard type(path) != nil else { return "error: \(path) does not exist" }
    let wanted = pattern.lowercased()
    var matches: [String] = []
    for file in files(below: path) {
      for (number, line) in zip(1..., lines(file) ?? []) where line.lowercased().contains(wanted) {
        guard matches.count < Self.matchesMax else {
          return matches.joined(separator: "\n")
            + "\n(more than \(Self.matchesMax) matches; ask for less)"
        }
        matches.append("\(file):\(number): \(cut(line))")
      }
    }
    return matches.isEmpty ? "(no matches)" : matches.joined(separator: "\n")
  }

  // MARK: Files

  private func files(below path: String) -> [String] {
    guard let names = entries(path) else { return [path] }
    return names.flatMap { $0.hasSuffix("/") ? files(below: String($0.dropLast())) : [$0] }
  }

  /// Sorted, relative to the root; directories end with a slash. nil: no directory.
  private func entries(_ path: String) -> [String]? {
    guard type(path) == .typeDirectory,
      let names = try? FileManager.default.contentsOfDirectory(atPath: "\(root)/\(path)")
    else { return nil }
    return names.sorted().compactMap { name in
      let inside = path == "." ? name : "\(path)/\(name)"
      switch type(inside) {
      case .typeDirectory: return inside + "/"
      case .typeRegular: return inside
      default: return nil
      }
    }
  }

  private func lines(_ path: String) -> [Substring]? {
    guard type(path) == .typeRegular,
      let data = FileManager.default.contents(atPath: "\(root)/\(path)"),
      data.count <= Self.fileBytesMax, !data.contains(0)
    else { return nil }
    let lines = String(decoding: data, as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false)
    return lines.last == "" ? lines.dropLast() : lines
  }

  /// nil: does not exist, or is not the model's to see.
  private func type(_ path: String) -> FileAttributeType? {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    let isAllowed = parts.allSatisfy { !$0.isEmpty && !$0.hasPrefix(".") && !Self.leftOut.contains($0) }
    guard path == "." || isAllowed else { return nil }
    let attributes = try? FileManager.default.attributesOfItem(atPath: "\(root)/\(path)")
    return attributes?[.type] as? FileAttributeType
  }

  private func cut(_ line: Substring) -> String {
    line.count <= Self.charactersMax ? String(line) : line.prefix(Self.charactersMax) + " ..."
  }
}
