import RWSJSON

/// Why a context may be smaller than before, or than its usage says, rightly.
package struct ContextChanges: OptionSet, Sendable {
  package let rawValue: UInt8

  /// Instructions, tools, tool choice, formats: whatever is rendered beside the items.
  package static let settings = ContextChanges(rawValue: 1)
  /// Another model may count with another vocabulary.
  package static let model = ContextChanges(rawValue: 2)
  /// Items may be left out: by the server (`truncation: auto`), by others (`conversation`), by the caller (abandoned
  /// calls).
  package static let truncation = ContextChanges(rawValue: 4)
  /// A compaction item is in the turn's input or output, or the input asks for one.
  package static let compaction = ContextChanges(rawValue: 8)
  /// The server ran tools: its usage counts what they read, which need not stay in the context.
  package static let hostedTools = ContextChanges(rawValue: 16)

  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// What of a turn's settings matters.
  init(from former: Settings, to settings: Settings) {
    self = []
    for name in former.differences(from: settings) where !Self.unrendered.contains(name) {
      insert(name == "model" ? .model : .settings)
    }
  }

  /// Fields that nothing of the context is made from.
  private static let unrendered: Set<String> = [
    "metadata", "max_output_tokens", "max_tool_calls", "user", "safety_identifier", "include",
    "temperature", "top_p", "top_logprobs", "store", "service_tier", "prompt_cache_key",
    "prompt_cache_retention", "prompt_cache_options", "stream_options", "client_metadata",
  ]

  /// What of a response's items matters.
  init(output: [JSONValue]) {
    self = []
    for item in output {
      switch item["type"]?.string {
      case "compaction": insert(.compaction)
      case let type? where type.hasSuffix("_call") && !Self.clientCalls.contains(type):
        insert(.hostedTools)
      default: break
      }
    }
  }

  /// Calls that only the client runs. (A shell may be either's.)
  private static let clientCalls: Set<String> = [
    "function_call", "custom_tool_call", "computer_call", "local_shell_call", "apply_patch_call",
  ]
}

extension Settings {
  /// Names of the fields that differ, or that only one of them has.
  fileprivate func differences(from other: Settings) -> [String] {
    fields.filter { !other.fields.contains($0) }.map(\.name)
      + other.fields.filter { theirs in !fields.contains { $0.name == theirs.name } }.map(\.name)
  }
}
