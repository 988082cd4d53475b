import RWSJSON

/// The new items of one turn, checked on the caller's thread.
package struct TurnInput: Sendable, Equatable {
  package private(set) var items = ItemList()
  /// The items that belong to the context from then on; a `compaction_trigger` does not (protocol.md, Full replay 3).
  package private(set) var lasting = ItemList()
  /// `call_id`s that the items answer.
  package private(set) var answeredCalls: Set<String> = []
  /// A compaction item, or what asks for one.
  private(set) var hasCompaction = false

  package init() {}

  /// - Parameter json: A JSON string (one user message) or an array of input items; empty: none.
  package init(json: [UInt8]) throws(ResponsesError) {
    guard !json.isEmpty else { return }
    let value = try parseJSON(json, "input")
    switch value.kind {
    case .string:
      items.append(Self.userMessage(content: value.bytes))
      lasting = items
    case .array:
      var triggers = 0
      for item in value.elements {
        guard item.kind == .object else {
          throw ResponsesError(.invalidJSON, "Each input item must be a JSON object.")
        }
        items.append(item.bytes)
        guard let type = item["type"]?.string else { continue }
        if type == "compaction_trigger" { triggers += 1 }
        if type == "compaction_trigger" || type == "compaction" { hasCompaction = true }
        if type.hasSuffix("_output"), let call = item["call_id"]?.string {
          answeredCalls.insert(call)
        }
      }
      lasting = triggers == 0 ? items : Self.lasting(value.elements)
    case .object, .number, .bool, .null:
      throw ResponsesError(
        .invalidJSON, "The input must be a JSON string or an array of input items.")
    }
  }

  mutating func append(_ other: TurnInput) {
    items.append(contentsOf: other.items)
    lasting.append(contentsOf: other.lasting)
    answeredCalls.formUnion(other.answeredCalls)
    hasCompaction = hasCompaction || other.hasCompaction
  }

  private static func lasting(_ items: [JSONValue]) -> ItemList {
    var list = ItemList()
    for item in items where item["type"]?.string != "compaction_trigger" { list.append(item.bytes) }
    return list
  }

  private static func userMessage(content: ArraySlice<UInt8>) -> [UInt8] {
    var item = Array(#"{"type":"message","role":"user","content":"#.utf8)
    item.append(contentsOf: content)
    item.append(UInt8(ascii: "}"))
    return item
  }
}

package func parseJSON(_ bytes: [UInt8], _ what: String) throws(ResponsesError) -> JSONValue {
  do {
    return try JSONValue(parsing: bytes)
  } catch {
    throw ResponsesError(.invalidJSON, "The \(what) is not valid JSON: \(error).")
  }
}
