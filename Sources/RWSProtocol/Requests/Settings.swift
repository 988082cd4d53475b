import RWSJSON

/// Body fields that the caller sets: those of a session, or a turn's overrides of them. Values are
/// sent verbatim, unknown fields included; the fields that the library itself decides are refused.
package struct Settings: Sendable, Equatable {
  package struct Field: Sendable, Equatable {
    package let name: String
    /// The member as it stands in the body: `"name":value`.
    package let member: [UInt8]
    package let value: JSONValue
    package static func == (left: Field, right: Field) -> Bool { left.member == right.member }
  }

  package private(set) var fields: [Field] = []

  package init() {}

  /// - Parameter json: A JSON object.
  package init(json: [UInt8]) throws(ResponsesError) {
    try self.init(json, "settings")
  }

  private init(_ json: [UInt8], _ what: String) throws(ResponsesError) {
    let value = try parseJSON(json, "JSON object of the \(what)")
    guard value.kind == .object else {
      throw ResponsesError(.invalidJSON, "The \(what) must be a JSON object.")
    }
    for member in value.members {
      guard try Self.isSent(member.key, member.value) else { continue }
      fields.removeAll { $0.name == member.key }  // Duplicate keys: the last wins.
      fields.append(Field(name: member.key, value: member.value))
    }
  }

  /// - Parameter overrides: A JSON object; empty: none.
  package init(overrides: [UInt8]) throws(ResponsesError) {
    self = overrides.isEmpty ? Settings() : try Settings(overrides, "overrides")
  }

  /// `stream` and `background` mean nothing over WebSocket and are not sent; clients that share a
  /// body with HTTP set them (protocol.md, Client events).
  private static func isSent(_ key: String, _ value: JSONValue) throws(ResponsesError) -> Bool {
    switch key {
    case "stream":
      return false
    case "background":
      if value.bool == true {
        throw ResponsesError(
          .invalidArgument, "background responses are not possible over WebSocket; remove it.")
      }
      return false
    case "type", "input", "previous_response_id", "stream_id", "generate":
      throw ResponsesError(
        .invalidArgument, "\"\(key)\" is set by the library; remove it.")
    default:
      return true
    }
  }

  package subscript(name: String) -> JSONValue? {
    fields.first { $0.name == name }?.value
  }

  /// These settings with a turn's overrides: a null removes the field.
  package func merging(_ overrides: Settings) -> Settings {
    var merged = self
    for field in overrides.fields {
      merged.fields.removeAll { $0.name == field.name }
      if !field.value.isNull { merged.fields.append(field) }
    }
    return merged
  }

  func keeping(_ names: Set<String>) -> Settings {
    var copy = self
    copy.fields.removeAll { !names.contains($0.name) }
    return copy
  }

  func removing(_ name: String) -> Settings {
    var copy = self
    copy.fields.removeAll { $0.name == name }
    return copy
  }

  /// With `store: false` the only copy of the reasoning is the ciphertext in the output; a chain
  /// that lacks it cannot be replayed (protocol.md, Settings: Reasoning). A caller's `include` stands.
  package func includingEncryptedReasoning() -> Settings {
    guard !isStored, self["include"] == nil else { return self }
    var copy = self
    if let value = try? JSONValue(parsing: Array(#"["reasoning.encrypted_content"]"#.utf8)) {
      copy.fields.append(Field(name: "include", value: value))
    }
    return copy
  }

  /// The API stores responses unless told otherwise.
  package var isStored: Bool { self["store"]?.bool ?? true }

  /// A server-side conversation holds the history; it excludes `previous_response_id`.
  package var hasConversation: Bool {
    guard let value = self["conversation"] else { return false }
    return !value.isNull
  }
}

extension Settings.Field {
  fileprivate init(name: String, value: JSONValue) {
    self.name = name
    self.value = value
    var writer = JSONWriter()
    writer.string(name)
    var member = writer.bytes
    member.append(UInt8(ascii: ":"))
    member.append(contentsOf: value.bytes)
    self.member = member
  }
}
