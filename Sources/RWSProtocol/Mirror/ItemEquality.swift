import RWSJSON

/// Whether two items say the same, though one went through another program's JSON library: members that clients
/// add or leave out when they write a response's items back do not count (protocol.md, Full replay 4 and 10).
enum ItemEquality {
  /// nil: they say the same; else the path of the first difference, as in `content[0].text`.
  static func difference(_ left: JSONValue, _ right: JSONValue) -> String? {
    let type = left["type"]?.string ?? right["type"]?.string ?? "message"
    if type == "reasoning" || type == "compaction", let id = left["id"]?.utf8, !id.isEmpty,
      id == right["id"]?.utf8, left["type"]?.utf8 == right["type"]?.utf8
    {
      // The ciphertext of one and the same item may differ between two events.
      return nil
    }
    return JSONDifference.path(left, right) { ignorable in
      switch ignorable {
      case .missing(let key, let value): mayBeMissing(key, value)
      case .different(let key): key == "logprobs"
      }
    }
  }

  /// What one side may have and the other not.
  private static func mayBeMissing(_ key: String, _ value: JSONValue) -> Bool {
    if value.isNull { return true }
    switch key {
    case "id", "status", "created_by", "parsed", "parsed_arguments", "logprobs": return true
    case "annotations": return value.elements.isEmpty
    case "type": return value.string == "message"
    default: return false
    }
  }
}
