/// A tool call that the caller answers in the session's next turn.
public struct ToolCall: Sendable, Equatable {
  public enum Kind: Int32, Sendable {
    /// Answered with `function_call_output`.
    case function = 0
    /// Answered with `custom_tool_call_output`.
    case custom = 1
  }

  public internal(set) var kind: Kind
  /// Set at the call's `response.output_item.done`, which comes before `response.completed`.
  public internal(set) var isComplete = false
  public internal(set) var callID = ""
  /// Known from `response.output_item.added` on.
  public internal(set) var name = ""
  /// JSON text of a function call, free text of a custom one; what has streamed so far.
  public internal(set) var arguments: [UInt8] = []
  /// JSON of the finished item; empty until complete.
  public internal(set) var item: [UInt8] = []

  package var itemID = ""
  package var outputIndex: Int64 = -1
}
