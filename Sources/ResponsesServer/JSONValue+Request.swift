import RWSJSON

extension JSONValue {
  /// The members of an object; of a key that occurs twice, the last.
  var membersByKey: [String: JSONValue] {
    var values: [String: JSONValue] = [:]
    for member in members { values[member.key] = member.value }
    return values
  }

  /// As the service's error messages name it.
  var spokenKind: String { Self.spoken(kind) }

  static func spoken(_ kind: JSONKind) -> String {
    switch kind {
    case .object: "an object"
    case .array: "an array"
    case .string: "a string"
    case .number: "a number"
    case .bool: "a boolean"
    case .null: "null"
    }
  }
}
