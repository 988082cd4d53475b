import RWSClient

/// What runs when the model calls: `["weather": Tool { call in try await weather(call.arguments) }]`.
public struct Tool: Sendable {
  /// Whether a call may run.
  public enum Approval: Sendable, Equatable {
    case approved
    /// The model is told why.
    case denied(String = "")
  }

  /// - Parameter effects: calls that ran in vain before the response was sent again: the model knows nothing of them.
  public typealias Approve =
    @Sendable (_ call: ToolCall, _ effects: [ToolResult]) async throws -> Approval

  /// nil: the run's.
  public var timeout: Duration?
  /// nil: the run's.
  public var approve: Approve?
  /// Takes the call, whose arguments are a JSON object if it is a function's; returns the output.
  public let function: @Sendable (ToolCall) async throws -> String

  public init(
    timeout: Duration? = nil, approve: Approve? = nil,
    _ function: @escaping @Sendable (ToolCall) async throws -> String
  ) {
    self.timeout = timeout
    self.approve = approve
    self.function = function
  }
}

/// For tools to throw: its text goes to the model as it is, after "error: ".
public struct ToolError: Error, Sendable, CustomStringConvertible {
  public let description: String

  public init(_ text: String) { description = text }
}
