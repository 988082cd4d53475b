import RWSJSON

// MARK: What a request asks of the model

extension ResponseRequest {
  func modelInput(_ context: Context) -> ModelInput {
    let choice = ToolChoice(self["tool_choice"])
    var input = ModelInput(context: context, tools: callableTools.filter(choice.allows))
    input.mustCall = choice.mustCall
    input.allowsParallelCalls = self["parallel_tool_calls"]?.bool ?? true
    input.format = format
    return input
  }

  /// The tools that a model here can call.
  private var callableTools: [ModelInput.Tool] {
    (self["tools"]?.elements ?? []).compactMap { tool in
      guard let name = tool["name"]?.string else { return nil }
      switch tool["type"]?.string {
      case "function": return ModelInput.Tool(name: name, parameters: tool["parameters"])
      case "custom": return ModelInput.Tool(name: name, isCustom: true)
      default: return nil
      }
    }
  }

  private var format: ModelInput.Format {
    let format = self["text"]?["format"]
    switch format?["type"]?.string {
    case "json_object": return .object
    case "json_schema": return format?["schema"].map { .schema($0) } ?? .object
    default: return .text
    }
  }

  /// Refuses what names a tool that is not there.
  func checkToolChoice() throws(RequestError) {
    guard let name = ToolChoice(self["tool_choice"]).named else { return }
    let names = self["tools"]?.elements.compactMap { $0["name"]?.string } ?? []
    guard names.contains(name) else {
      throw .invalid("Tool choice '\(name)' not found in 'tools' parameter.", param: "tool_choice")
    }
  }
}

/// `tool_choice`, as far as it is about functions and custom tools.
private struct ToolChoice {
  private(set) var mustCall = false
  /// nil: any.
  private var allowed: Set<String>?
  /// The one tool that is to be called.
  private(set) var named: String?

  init(_ value: JSONValue?) {
    switch value?.string ?? value?["type"]?.string {
    case "none": allowed = []
    case "required": mustCall = true
    case "function", "custom":
      named = value?["name"]?.string
      allowed = named.map { [$0] }
      mustCall = true
    case "allowed_tools":
      allowed = Set((value?["tools"]?.elements ?? []).compactMap { $0["name"]?.string })
      mustCall = value?["mode"]?.string == "required"
    default: break
    }
  }

  func allows(_ tool: ModelInput.Tool) -> Bool { allowed?.contains(tool.name) ?? true }
}
