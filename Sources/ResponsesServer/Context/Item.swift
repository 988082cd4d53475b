/// One item of a response's context: the bytes that came or went, and what the rules and the models look at.
///
/// Immutable and shared: a chain of a hundred responses holds each item once.
package final class Item: Sendable {
  package enum Role: String, Sendable {
    case user, assistant, system, developer
  }

  /// What an item is to the rules of "every call is answered at once".
  package enum Kind: Equatable, Sendable {
    case message(Role)
    case call(CallFamily)
    case output(CallFamily)
    case reasoning
    case reference
    /// Stands for what came before it.
    case compaction
    /// Asks for a compaction; is no part of the context.
    case compactionTrigger
    /// Taken as it is: hosted tools' items, types that this server does not know.
    case other
  }

  package let kind: Kind
  /// The object's JSON.
  package let json: [UInt8]
  package let id: String?
  /// Joins a call and its output.
  package let callID: String?
  /// The tool that a call names.
  package let name: String?
  /// A message's text, a call's arguments or input, an output's text, a reasoning summary.
  package let text: String
  package let hasCiphertext: Bool
  /// Of reasoning that this server made: what it followed from.
  let seal: ReasoningSeal?
  /// Of a compaction.
  let summary: ContextSummary?
  /// Of what the model reads.
  let digest: UInt64

  package init(
    kind: Kind, json: [UInt8], id: String?, callID: String? = nil, name: String? = nil,
    text: String, hasCiphertext: Bool = false, seal: ReasoningSeal? = nil,
    summary: ContextSummary? = nil
  ) {
    self.kind = kind
    self.json = json
    self.id = id
    self.callID = callID
    self.name = name
    self.text = text
    self.hasCiphertext = hasCiphertext
    self.seal = seal
    self.summary = summary
    digest = Digest.of(text)
  }

  package var isUserMessage: Bool { kind == .message(.user) }

  var isCall: Bool {
    switch kind {
    case .call: true
    case .message, .output, .reasoning, .reference, .compaction, .compactionTrigger, .other: false
    }
  }

  package var isToolOutput: Bool {
    switch kind {
    case .output: true
    case .message, .call, .reasoning, .reference, .compaction, .compactionTrigger, .other: false
    }
  }
}

/// A kind of call that the client executes, and the type of the item that answers it.
package enum CallFamily: String, Sendable, CaseIterable {
  case function = "function_call"
  case custom = "custom_tool_call"
  case computer = "computer_call"
  case localShell = "local_shell_call"
  case shell = "shell_call"
  case applyPatch = "apply_patch_call"
  case mcpApproval = "mcp_approval_request"

  init?(callType: String) {
    self.init(rawValue: callType)
  }

  init?(outputType: String) {
    guard let family = Self.allCases.first(where: { $0.outputType == outputType }) else {
      return nil
    }
    self = family
  }

  var outputType: String {
    switch self {
    case .mcpApproval: "mcp_approval_response"
    case .function, .custom, .computer, .localShell, .shell, .applyPatch: rawValue + "_output"
    }
  }

  /// The field of the call by which its output names it.
  var callKey: String {
    switch self {
    case .mcpApproval: "id"
    case .function, .custom, .computer, .localShell, .shell, .applyPatch: "call_id"
    }
  }

  var outputKey: String {
    switch self {
    case .mcpApproval: "approval_request_id"
    case .localShell: "id"
    case .function, .custom, .computer, .shell, .applyPatch: "call_id"
    }
  }

  /// As the service's error messages call it.
  var spoken: String {
    switch self {
    case .function: "function call"
    case .custom: "custom tool call"
    case .computer: "computer call"
    case .localShell: "local shell call"
    case .shell: "shell call"
    case .applyPatch: "apply patch call"
    case .mcpApproval: "MCP approval request"
    }
  }
}
