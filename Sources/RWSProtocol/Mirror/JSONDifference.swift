import RWSJSON

/// Where two JSON values differ: the order of members, white space and the way a string is escaped do not count;
/// numbers count as they are written, for 1.0 is not 1 to everybody who reads it.
enum JSONDifference {
  /// The path of the first difference below `path`; nil: they say the same.
  /// - Parameter ignores: Whether a member may be there in only one of them, or differ.
  static func path(
    _ left: JSONValue, _ right: JSONValue, _ path: String = "",
    ignores: (Ignorable) -> Bool = { _ in false }
  ) -> String? {
    guard left.kind == right.kind else { return path }
    switch left.kind {
    case .object: return object(left, right, path, ignores)
    case .array: return array(left, right, path, ignores)
    case .string: return left.bytes == right.bytes || left.utf8 == right.utf8 ? nil : path
    case .number: return left.bytes == right.bytes ? nil : path
    case .bool: return left.bool == right.bool ? nil : path
    case .null: return nil
    }
  }

  enum Ignorable {
    case missing(key: String, JSONValue)
    case different(key: String)
  }

  private static func array(
    _ left: JSONValue, _ right: JSONValue, _ path: String, _ ignores: (Ignorable) -> Bool
  ) -> String? {
    let (lefts, rights) = (left.elements, right.elements)
    for (index, pair) in zip(lefts, rights).enumerated() {
      if let found = self.path(pair.0, pair.1, "\(path)[\(index)]", ignores: ignores) { return found }
    }
    return lefts.count == rights.count ? nil : "\(path)[\(min(lefts.count, rights.count))]"
  }

  private static func object(
    _ left: JSONValue, _ right: JSONValue, _ path: String, _ ignores: (Ignorable) -> Bool
  ) -> String? {
    var others = members(right)
    for (key, value) in members(left).sorted(by: { $0.key < $1.key }) {
      guard let other = others.removeValue(forKey: key) else {
        if ignores(.missing(key: key, value)) { continue }
        return below(path, key)
      }
      if ignores(.different(key: key)) { continue }
      if let found = self.path(value, other, below(path, key), ignores: ignores) { return found }
    }
    let extra = others.sorted { $0.key < $1.key }
      .first { !ignores(.missing(key: $0.key, $0.value)) }
    return extra.map { below(path, $0.key) }
  }

  private static func below(_ path: String, _ key: String) -> String {
    path.isEmpty ? key : "\(path).\(key)"
  }

  /// Of duplicate keys the last counts.
  private static func members(_ object: JSONValue) -> [String: JSONValue] {
    var members: [String: JSONValue] = [:]
    for member in object.members { members[member.key] = member.value }
    return members
  }
}
