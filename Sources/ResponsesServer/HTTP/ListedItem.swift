import RWSJSON

/// An item of a context as the API lists it: with an id, a type and a status, whatever spelling it came in
/// (SDK: `ResponseItem`).
struct ListedItem {
  let id: String
  private let item: Item

  /// `place`: among the items of its context. An item without an id of its own gets the same one each time.
  init(_ item: Item, at place: Int) {
    self.item = item
    id = item.id ?? Self.prefix(of: item.kind) + "_" + Self.digits(item.digest) + Self.digits(UInt64(place))
  }

  func write(to writer: inout JSONWriter) {
    let value = try? JSONValue(parsing: item.json)
    writer.beginObject()
    writer.member("id", id)
    switch item.kind {
    case .message(let role):
      writer.member("type", "message")
      writer.member("status", value?["status"]?.string ?? "completed")
      writer.member("role", role.rawValue)
      writer.key("content")
      writeContent(value?["content"], role, to: &writer)
      if let phase = value?["phase"], !phase.isNull { writer.member("phase", phase) }
    case .call, .output, .reasoning, .reference, .compaction, .compactionTrigger, .other:
      for member in value?.members ?? [] where member.key != "id" && !member.value.isNull {
        writer.member(member.key, member.value)
      }
      if hasStatus, value?["status"]?.string == nil { writer.member("status", "completed") }
    }
    writer.endObject()
  }

  private var hasStatus: Bool {
    switch item.kind {
    case .call, .output: true
    case .message, .reasoning, .reference, .compaction, .compactionTrigger, .other: false
    }
  }

  private func writeContent(_ content: JSONValue?, _ role: Item.Role, to writer: inout JSONWriter) {
    writer.beginArray()
    if let text = content?.string {
      Self.writePart(text, role, to: &writer)
    } else {
      for part in content?.elements ?? [] {
        if role == .assistant, part["type"]?.string == "output_text", part["annotations"] == nil {
          Self.writePart(part["text"]?.string ?? "", role, to: &writer)
        } else {
          writer.value(part)
        }
      }
    }
    writer.endArray()
  }

  private static func writePart(_ text: String, _ role: Item.Role, to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("type", role == .assistant ? "output_text" : "input_text")
    if role == .assistant { writer.member("annotations", raw: "[]") }
    writer.member("text", text)
    writer.endObject()
  }

  private static func prefix(of kind: Item.Kind) -> String {
    switch kind {
    case .message: "msg"
    case .call(.function): "fc"
    case .call(.custom): "ctc"
    case .output(.function): "fco"
    case .output(.custom): "ctco"
    case .reasoning: "rs"
    case .compaction: "cmp"
    case .call, .output, .reference, .compactionTrigger, .other: "item"
    }
  }

  private static func digits(_ word: UInt64) -> String {
    let digits = String(word, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
  }
}
