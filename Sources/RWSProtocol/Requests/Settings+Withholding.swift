import RWSJSON

extension Settings {
  /// All fields as one JSON object.
  var json: [UInt8] {
    var bytes = [UInt8(ascii: "{")]
    for field in fields {
      if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
      bytes.append(contentsOf: field.member)
    }
    bytes.append(UInt8(ascii: "}"))
    return bytes
  }

  /// Without the credentials that tools carry for servers of their own (MCP), and the paths of what is left out.
  func withholdingCredentials() -> (settings: Settings, paths: [String]) {
    guard let tools = self["tools"]?.elements else { return (self, []) }
    var paths: [String] = []
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("tools")
    writer.beginArray()
    for (index, tool) in tools.enumerated() {
      let withheld = tool.members.filter { Self.isCredential($0.key) }
      guard !withheld.isEmpty else {
        writer.value(tool)
        continue
      }
      paths += withheld.map { "tools[\(index)].\($0.key)" }
      writer.beginObject()
      for member in tool.members where !Self.isCredential(member.key) {
        writer.member(member.key, member.value)
      }
      writer.endObject()
    }
    writer.endArray()
    writer.endObject()
    guard !paths.isEmpty, let clean = try? Settings(json: writer.bytes) else { return (self, []) }
    return (merging(clean), paths)
  }

  private static func isCredential(_ key: String) -> Bool {
    key == "authorization" || key == "headers"
  }
}
