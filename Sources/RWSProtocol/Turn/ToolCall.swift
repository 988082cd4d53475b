import RWSJSON

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
  public var arguments: String { String(decoding: argumentBytes, as: UTF8.self) }
  /// JSON of the finished item; empty until complete.
  public var item: String { String(decoding: itemBytes, as: UTF8.self) }

  /// As received: a lone surrogate is kept, in its three-byte form.
  package internal(set) var argumentBytes: [UInt8] = []
  package internal(set) var itemBytes: [UInt8] = []

  package var itemID = ""
  package var outputIndex: Int64 = -1
}

extension ToolCall {
  /// Whole, and not cut off by the end of its response: it can be run.
  package var isRunnable: Bool {
    guard isComplete else { return false }
    let status = (try? JSONValue(parsing: itemBytes))?["status"]?.string
    return status != "in_progress" && status != "incomplete"
  }

  /// Why the arguments of a function call are not what they should be; nil: they are.
  package var argumentsProblem: String? {
    guard kind == .function else { return nil }
    do {
      return try JSONValue(parsing: argumentBytes).kind == .object ? nil : "must be a JSON object"
    } catch {
      return "are no valid JSON: \(error)"
    }
  }
}
