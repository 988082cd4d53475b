import RWSJSON

/// One new item of a turn's input, as JSON.
public struct InputItem: Sendable, Equatable {
  /// Sent byte for byte.
  public let json: [UInt8]

  /// An item of any type, as JSON text.
  public static func json(_ text: String) -> InputItem { InputItem(json: Array(text.utf8)) }

  /// A user message.
  public static func user(_ text: String) -> InputItem {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("type", "message")
    writer.member("role", "user")
    writer.member("content", text)
    writer.endObject()
    return InputItem(json: writer.bytes)
  }

  /// The output of a tool call.
  public static func output(_ text: String, for call: ToolCall) -> InputItem {
    var writer = JSONWriter()
    writer.beginObject()
    switch call.kind {
    case .function: writer.member("type", "function_call_output")
    case .custom: writer.member("type", "custom_tool_call_output")
    }
    writer.member("call_id", call.callID)
    writer.member("output", text)
    writer.endObject()
    return InputItem(json: writer.bytes)
  }

  package static func checked(_ items: [InputItem]) throws(ResponsesError) -> TurnInput {
    var writer = JSONWriter()
    writer.beginArray()
    for item in items { writer.raw(item.json) }
    writer.endArray()
    let input = try TurnInput(json: writer.bytes)
    // Text that is empty, two objects, or half of one may still make a valid array.
    guard input.items.count == items.count else {
      throw ResponsesError(.invalidJSON, "Each input item must be one JSON object.")
    }
    return input
  }
}

extension ToolCall {
  /// The item that answers this call; give those of all calls in the session's next turn.
  public func output(_ text: String) -> InputItem { .output(text, for: self) }
}
