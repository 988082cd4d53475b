/// What a model is asked.
package struct ModelInput: Sendable {
  package var context: Context
  package var tools: [Tool]

  package struct Tool: Equatable, Sendable {
    package var name: String
    package var isCustom: Bool

    package init(name: String, isCustom: Bool = false) {
      self.name = name
      self.isCustom = isCustom
    }
  }

  package init(context: Context, tools: [Tool]) {
    self.context = context
    self.tools = tools
  }

  /// The item that asks for an answer: the last one that came from the user or from a tool.
  var prompt: Item? {
    context.items.last { $0.isUserMessage || $0.isToolOutput }
  }

  var lastUserText: String {
    context.items.last { $0.isUserMessage }?.text ?? ""
  }

  /// What was compacted counts as well.
  var toolOutputs: Int {
    context.items.reduce(0) { $0 + ($1.isToolOutput ? 1 : $1.summary?.toolOutputs ?? 0) }
  }

  var userMessages: Int {
    context.items.reduce(0) { $0 + ($1.isUserMessage ? 1 : $1.summary?.userMessages ?? 0) }
  }

  var firstUserText: String {
    for item in context.items {
      if item.isUserMessage { return item.text }
      if let summary = item.summary, summary.userMessages > 0 { return summary.firstUserText }
    }
    return ""
  }
}

/// What a model answers, before it has ids and is cut into events.
package struct ModelAnswer: Equatable, Sendable {
  package enum Item: Equatable, Sendable {
    case message(String, phase: Phase?)
    case refusal(String)
    case functionCall(name: String, arguments: String)
    case customCall(name: String, input: String)
    case reasoning(summary: String)
    /// What stands for all that came before it.
    case compaction(ContextSummary)

    /// The client has to answer it before the response can be continued.
    var isCall: Bool {
      switch self {
      case .functionCall, .customCall: true
      case .message, .refusal, .reasoning, .compaction: false
      }
    }
  }

  package enum Phase: String, Sendable {
    case commentary
    case finalAnswer = "final_answer"
  }

  package enum Ending: Equatable, Sendable {
    case completed
    /// The last item is cut short; the reason is one of `incomplete_details.reason`.
    case incomplete(reason: String)
    case failed(code: String, message: String)
  }

  package var items: [Item]
  package var ending = Ending.completed
  /// Spreads the events over this time; nil: as the server is configured.
  package var spreadMilliseconds: Int64?

  package init(_ items: [Item], ending: Ending = .completed, spreadMilliseconds: Int64? = nil) {
    self.items = items
    self.ending = ending
    self.spreadMilliseconds = spreadMilliseconds
  }
}

/// A deterministic stand-in for a language model: the same context, the same answer.
package protocol Model: Sendable {
  func answer(_ input: ModelInput) -> ModelAnswer
}

package enum Models {
  /// By the request's `model`: `explorer…` explores, every other name follows the rules.
  package static func named(_ name: String) -> any Model {
    name.hasPrefix("explorer") ? ExplorerModel() : RuleModel()
  }
}
