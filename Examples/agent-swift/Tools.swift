import FoundationEssentials

/// The three tools over one directory (docs/explorer-tools.md). Paths come from the model: nothing
/// outside the root, nothing hidden, no build output.
struct Tools {
  let root: String

  static let declarations = #"""
    [{"type":"function","name":"list_files","strict":true,
      "description":"The files and directories in a directory, one path a line; directories end with a slash.",
      "parameters":{"type":"object","properties":{"path":{"type":"string","description":"Relative to the root; . is the root."}},
      "required":["path"],"additionalProperties":false}},
     {"type":"function","name":"read_file","strict":true,
      "description":"Numbered lines of a text file, at most 200.",
      "parameters":{"type":"object","properties":{"path":{"type":"string"},"start_line":{"type":"integer"},"end_line":{"type":"integer"}},
      "required":["path","start_line","end_line"],"additionalProperties":false}},
     {"type":"function","name":"search","strict":true,
      "description":"Lines that contain a text, in any case, as path:line: text.",
      "parameters":{"type":"object","properties":{"pattern":{"type":"string"}},
      "required":["pattern"],"additionalProperties":false}}]
    """#

  private static let linesMax = 200
  private static let hitsMax = 40

  private struct Arguments: Decodable {
    var path: String?
    var pattern: String?
    var start_line: Int?
    var end_line: Int?
  }

  /// - Parameter json: the arguments as the model wrote them.
  func run(_ name: String, arguments json: [UInt8]) -> String {
    guard let arguments = try? JSONDecoder().decode(Arguments.self, from: Data(json)) else {
      return "error: the arguments are not those of the tool"
    }
    let path = arguments.path ?? "."
    switch name {
    case "list_files": return listFiles(path)
    case "read_file":
      return readFile(path, arguments.start_line ?? 1, arguments.end_line ?? Self.linesMax)
    case "search": return search(arguments.pattern ?? "")
    default: return "error: there is no such tool"
    }
  }

  private func listFiles(_ path: String) -> String {
    guard let names = entries(path) else { return "error: \(path) is no directory that can be read" }
    return names.isEmpty ? "(empty)" : names.joined(separator: "\n")
  }

  private func readFile(_ path: String, _ start: Int, _ end: Int) -> String {
    guard let lines = lines(path) else { return "error: \(path) is no text file that can be read" }
    let first = max(1, start)
    let last = min(lines.count, end, first + Self.linesMax - 1)
    let header = "\(path): lines \(first)-\(last) of \(lines.count)"
    guard first <= last else { return header }
    return ([header] + (first...last).map { "\($0): \(lines[$0 - 1])" }).joined(separator: "\n")
  }

  private func search(_ pattern: String) -> String {
    let pattern = pattern.lowercased()
    var hits: [String] = []
    var directories = ["."]
    while let directory = directories.popLast(), hits.count < Self.hitsMax {
      for name in entries(directory) ?? [] {
        if name.hasSuffix("/") {
          directories.append(String(name.dropLast()))
        } else {
          for (number, line) in (lines(name) ?? []).enumerated()
          where hits.count < Self.hitsMax && line.lowercased().contains(pattern) {
            hits.append("\(name):\(number + 1): \(line)")
          }
        }
      }
    }
    return hits.isEmpty ? "(no line contains it)" : hits.joined(separator: "\n")
  }

  private func isAllowed(_ path: String) -> Bool {
    path == "."
      || !path.hasPrefix("/")
        && path.split(separator: "/").allSatisfy { !$0.hasPrefix(".") && $0 != "build" }
  }

  /// Sorted; directories end with a slash. Symbolic links could lead out of the root: left out.
  private func entries(_ path: String) -> [String]? {
    guard isAllowed(path),
      let names = try? FileManager.default.contentsOfDirectory(atPath: "\(root)/\(path)")
    else { return nil }
    return names.sorted().compactMap { name in
      let inside = path == "." ? name : "\(path)/\(name)"
      guard isAllowed(inside) else { return nil }
      switch type(inside) {
      case .typeDirectory: return inside + "/"
      case .typeRegular: return inside
      default: return nil
      }
    }
  }

  private func lines(_ path: String) -> [Substring]? {
    guard isAllowed(path), type(path) == .typeRegular,
      let text = try? String(contentsOfFile: "\(root)/\(path)", encoding: .utf8),
      !text.contains("\0")
    else { return nil }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    return lines.last == "" ? lines.dropLast() : lines
  }

  private func type(_ path: String) -> FileAttributeType? {
    let attributes = try? FileManager.default.attributesOfItem(atPath: "\(root)/\(path)")
    return attributes?[.type] as? FileAttributeType
  }
}
