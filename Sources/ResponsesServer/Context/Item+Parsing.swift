import RWSJSON

extension Item {
  /// Reads one element of `input`. `path` names it in errors, as in `input[3]`.
  static func parse(_ value: JSONValue, path: String) throws(RequestError) -> Item {
    guard value.kind == .object else {
      throw .wrongType(path, expected: "an object", got: value.spokenKind)
    }
    let fields = ItemFields(value, path: path)
    try fields.refuseOutputOnlyFields()
    guard let type = try fields.optionalString("type") else {
      return try fields["role"] == nil && fields["id"] != nil ? reference(fields) : message(fields)
    }
    switch type {
    case "message": return try message(fields)
    case "reasoning": return try reasoning(fields)
    case "item_reference": return try reference(fields)
    case "compaction": return try compaction(fields)
    case "compaction_trigger":
      return Item(kind: .compactionTrigger, json: fields.json, id: nil, text: "")
    default:
      if let family = CallFamily(callType: type) { return try call(fields, family) }
      if let family = CallFamily(outputType: type) { return try output(fields, family) }
      return Item(
        kind: .other, json: fields.json, id: try fields.optionalString("id"),
        text: fields.text("content"))
    }
  }

  /// A string `input`, as the user message that it stands for.
  static func userMessage(_ text: String) -> Item {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("type", "message")
    writer.member("role", "user")
    writer.key("content")
    writer.beginArray()
    writer.beginObject()
    writer.member("type", "input_text")
    writer.member("text", text)
    writer.endObject()
    writer.endArray()
    writer.endObject()
    return Item(kind: .message(.user), json: writer.bytes, id: nil, text: text)
  }

  private static func message(_ fields: ItemFields) throws(RequestError) -> Item {
    let spelt = try fields.string("role")
    guard let role = Role(rawValue: spelt) else {
      throw .invalid(
        "Invalid value: '\(spelt)'. Supported values are: 'assistant', 'system', 'developer', and"
          + " 'user'.", code: "invalid_value", param: fields.path + ".role")
    }
    try fields.require("content", .string, .array)
    return Item(
      kind: .message(role), json: fields.json, id: try fields.optionalString("id"),
      text: fields.text("content"))
  }

  private static func reasoning(_ fields: ItemFields) throws(RequestError) -> Item {
    try fields.require("summary", .array)
    let ciphertext = try fields.optionalString("encrypted_content") ?? ""
    return Item(
      kind: .reasoning, json: fields.json, id: try fields.optionalString("id"),
      text: fields.text("summary"), hasCiphertext: !ciphertext.isEmpty,
      seal: ReasoningSeal(ciphertext: ciphertext))
  }

  private static func compaction(_ fields: ItemFields) throws(RequestError) -> Item {
    let ciphertext = try fields.string("encrypted_content")
    guard let summary = ContextSummary(ciphertext: ciphertext) else {
      throw .invalid(
        "The encrypted content of \(fields.path) could not be verified. Send compaction items as"
          + " this server gave them.", code: "invalid_encrypted_content",
        param: fields.path + ".encrypted_content")
    }
    return Item(
      kind: .compaction, json: fields.json, id: try fields.optionalString("id"), text: "",
      summary: summary)
  }

  private static func reference(_ fields: ItemFields) throws(RequestError) -> Item {
    Item(kind: .reference, json: fields.json, id: try fields.string("id"), text: "")
  }

  private static func call(
    _ fields: ItemFields, _ family: CallFamily
  ) throws(RequestError) -> Item {
    var text = ""
    switch family {
    case .function:
      text = try fields.string("arguments")
      _ = try fields.string("name")
    case .custom:
      text = try fields.string("input")
      _ = try fields.string("name")
    case .computer, .localShell, .shell, .applyPatch, .mcpApproval:
      break
    }
    return Item(
      kind: .call(family), json: fields.json, id: try fields.optionalString("id"),
      callID: try fields.string(family.callKey), name: try fields.optionalString("name"),
      text: text)
  }

  private static func output(
    _ fields: ItemFields, _ family: CallFamily
  ) throws(RequestError) -> Item {
    switch family {
    case .function, .custom: try fields.require("output", .string, .array)
    case .computer, .localShell, .shell, .applyPatch, .mcpApproval: break
    }
    // A local shell output carries its call's id in `id`: as an item id it would look like a duplicate of the
    // call.
    let id = family == .localShell ? nil : try fields.optionalString("id")
    return Item(
      kind: .output(family), json: fields.json, id: id,
      callID: try fields.string(family.outputKey), text: fields.text("output"))
  }
}

/// The members of one input item, looked up once, with the service's errors for wrong ones.
private struct ItemFields {
  let path: String
  let json: [UInt8]
  private let values: [String: JSONValue]

  /// Fields that output items have and input items do not: the first is the API's, the others are the SDK's
  /// own.
  private static let outputOnly = ["created_by", "parsed", "parsed_arguments"]

  init(_ value: JSONValue, path: String) {
    self.path = path
    json = Array(value.bytes)
    values = value.membersByKey
  }

  /// A null counts as absent.
  subscript(_ key: String) -> JSONValue? {
    values[key].flatMap { $0.isNull ? nil : $0 }
  }

  /// Also in the parts of `content` and `output`, where shell outputs have a `created_by` of their own.
  func refuseOutputOnlyFields() throws(RequestError) {
    for field in Self.outputOnly where values[field] != nil {
      throw .unknownParameter("\(path).\(field)")
    }
    for list in ["content", "output"] {
      for (index, part) in (values[list]?.elements ?? []).enumerated() where part.kind == .object {
        let keys = part.membersByKey
        for field in Self.outputOnly where keys[field] != nil {
          throw .unknownParameter("\(path).\(list)[\(index)].\(field)")
        }
      }
    }
  }

  func optionalString(_ key: String) throws(RequestError) -> String? {
    guard let value = self[key] else { return nil }
    guard let string = value.string else {
      throw .wrongType("\(path).\(key)", expected: "a string", got: value.spokenKind)
    }
    return string
  }

  func string(_ key: String) throws(RequestError) -> String {
    guard let string = try optionalString(key) else { throw .missing("\(path).\(key)") }
    return string
  }

  func require(_ key: String, _ kinds: JSONKind...) throws(RequestError) {
    guard let value = self[key] else { throw .missing("\(path).\(key)") }
    guard kinds.contains(value.kind) else {
      throw .wrongType(
        "\(path).\(key)", expected: kinds.map(JSONValue.spoken).joined(separator: " or "),
        got: value.spokenKind)
    }
  }

  /// A string, or the texts of a list of parts.
  func text(_ key: String) -> String {
    guard let value = self[key] else { return "" }
    if let string = value.string { return string }
    var text = ""
    for part in value.elements {
      text += (part["text"] ?? part["refusal"])?.string ?? ""
    }
    return text
  }
}
