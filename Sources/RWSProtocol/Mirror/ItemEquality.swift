import RWSJSON

/// Whether two items say the same, though one went through another program's JSON library: the order of members,
/// white space and escapes do not count, nor do members that clients add or leave out when they write a
/// response's items back (protocol.md, Full replay 4 and 10).
enum ItemEquality {
  /// nil: they say the same; else the path of the first difference, as in `content[0].text`.
  static func difference(_ left: JSONValue, _ right: JSONValue) -> String? {
    guard left.kind == .object, right.kind == .object else {
      return value(left, right, "")
    }
    let type = left["type"]?.string ?? right["type"]?.string ?? "message"
    if type == "reasoning" || type == "compaction", let id = left["id"]?.utf8, !id.isEmpty,
      id == right["id"]?.utf8, left["type"]?.utf8 == right["type"]?.utf8
    {
      // The ciphertext of one and the same item may differ between two events.
      return nil
    }
    return object(left, right, "")
  }

  private static func value(_ left: JSONValue, _ right: JSONValue, _ path: String) -> String? {
    guard left.kind == right.kind else { return path }
    switch left.kind {
    case .object: return object(left, right, path)
    case .array: return array(left, right, path)
    case .string: return left.bytes == right.bytes || left.utf8 == right.utf8 ? nil : path
    // As written: 1.0 is not 1 for everybody who reads it.
    case .number: return left.bytes == right.bytes ? nil : path
    case .bool: return left.bool == right.bool ? nil : path
    case .null: return nil
    }
  }

  private static func array(_ left: JSONValue, _ right: JSONValue, _ path: String) -> String? {
    let (lefts, rights) = (left.elements, right.elements)
    for (index, pair) in zip(lefts, rights).enumerated() {
      if let difference = value(pair.0, pair.1, "\(path)[\(index)]") { return difference }
    }
    return lefts.count == rights.count ? nil : "\(path)[\(min(lefts.count, rights.count))]"
  }

  private static func object(_ left: JSONValue, _ right: JSONValue, _ path: String) -> String? {
    var others = members(right)
    for (key, value) in members(left).sorted(by: { $0.key < $1.key }) {
      let path = path.isEmpty ? key : "\(path).\(key)"
      guard let other = others.removeValue(forKey: key) else {
        if mayBeMissing(key, value) { continue }
        return path
      }
      if key == "logprobs" { continue }
      if let difference = self.value(value, other, path) { return difference }
    }
    let extra = others.sorted { $0.key < $1.key }.first { !mayBeMissing($0.key, $0.value) }
    return extra.map { path.isEmpty ? $0.key : "\(path).\($0.key)" }
  }

  /// Of duplicate keys the last counts.
  private static func members(_ object: JSONValue) -> [String: JSONValue] {
    var members: [String: JSONValue] = [:]
    for member in object.members { members[member.key] = member.value }
    return members
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
