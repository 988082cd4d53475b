import RWSClient

/// What one call came to.
public struct ToolResult: Sendable {
  /// All but `returned` answer the model with "error: …".
  public enum Ending: Sendable, Equatable {
    case returned
    case threw
    /// The tool was cancelled and left behind; it may still work.
    case timedOut
    /// The run was cancelled while the tool ran.
    case interrupted
    case denied
    case unknownTool
    case invalidArguments

    /// The tool ran, at least in part.
    public var hadEffects: Bool {
      switch self {
      case .returned, .threw, .timedOut, .interrupted: true
      case .denied, .unknownTool, .invalidArguments: false
      }
    }
  }

  public let call: ToolCall
  /// What the model is told.
  public let output: String
  public let ending: Ending

  /// The input item that answers the call.
  public var item: InputItem { call.output(output) }
}

extension ToolResult {
  private static let errorCharactersMax = 1000

  static func denied(_ call: ToolCall, _ reason: String) -> ToolResult {
    let text = reason.isEmpty ? "" : ": \(reason)"
    return ToolResult(call: call, output: "error: the call was not approved\(text)", ending: .denied)
  }

  static func unknown(_ call: ToolCall, _ tools: [String: Tool]) -> ToolResult {
    let names = tools.isEmpty ? "none" : tools.keys.sorted().joined(separator: ", ")
    let text = #"error: there is no tool "\#(call.name)"; there are: \#(names)"#
    return ToolResult(call: call, output: text, ending: .unknownTool)
  }

  static func invalid(_ call: ToolCall, _ problem: String) -> ToolResult {
    ToolResult(call: call, output: "error: the arguments \(problem)", ending: .invalidArguments)
  }

  static func threw(_ call: ToolCall, _ error: any Error) -> ToolResult {
    let text = error is ToolError ? "\(error)" : "\(type(of: error)): \(error)"
    return ToolResult(
      call: call, output: "error: " + text.prefix(errorCharactersMax), ending: .threw)
  }

  static func timedOut(_ call: ToolCall, _ limit: Duration) -> ToolResult {
    let text = "error: the tool did not finish within \(limit); it may have had effects"
    return ToolResult(call: call, output: text, ending: .timedOut)
  }

  static func interrupted(_ call: ToolCall) -> ToolResult {
    let text = "error: the tool was interrupted; it may have had effects"
    return ToolResult(call: call, output: text, ending: .interrupted)
  }
}
