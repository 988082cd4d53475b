import RWSJSON

/// What a model is asked.
package struct ModelInput: Sendable {
  package var context: Context
  /// Those that it may call.
  package var tools: [Tool]
  /// It has to call one of them.
  package var mustCall = false
  package var allowsParallelCalls = true
  package var format = Format.text

  package struct Tool: Sendable {
    package var name: String
    package var isCustom: Bool
    /// The schema of a function's arguments.
    package var parameters: JSONValue?

    package init(name: String, isCustom: Bool = false, parameters: JSONValue? = nil) {
      self.name = name
      self.isCustom = isCustom
      self.parameters = parameters
    }
  }

  /// What a text answer has to be.
  package enum Format: Sendable {
    case text
    case object
    case schema(JSONValue)
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

  /// What the user said last, and what came after it.
  var latestItems: ArraySlice<Item> {
    context.items[(context.items.lastIndex { $0.isUserMessage } ?? 0)...]
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
    case failed(ResponseFailure)
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

extension ModelAnswer {
  /// Ends it, incomplete, where it has so many tokens.
  mutating func cut(to tokens: Int, _ counter: TokenCounter) {
    var left = max(0, tokens)
    for index in items.indices {
      left -= TokenCounter.perItem + counter.count(items[index].name)
      guard let part = counter.beginning(of: items[index].text, tokens: max(0, left)) else {
        left -= counter.count(items[index].text)
        continue
      }
      items.removeSubrange((index + 1)...)
      items[index] = items[index].saying(part)
      ending = .incomplete(reason: "max_output_tokens")
      return
    }
  }
}

extension ModelAnswer.Item {
  fileprivate var name: String {
    switch self {
    case .functionCall(let name, _), .customCall(let name, _): name
    case .message, .refusal, .reasoning, .compaction: ""
    }
  }

  /// What of it is streamed.
  var text: String {
    switch self {
    case .message(let text, _), .refusal(let text), .functionCall(_, let text),
      .customCall(_, let text), .reasoning(let text):
      text
    case .compaction: ""
    }
  }

  fileprivate func saying(_ text: String) -> ModelAnswer.Item {
    switch self {
    case .message(_, let phase): .message(text, phase: phase)
    case .refusal: .refusal(text)
    case .functionCall(let name, _): .functionCall(name: name, arguments: text)
    case .customCall(let name, _): .customCall(name: name, input: text)
    case .reasoning: .reasoning(summary: text)
    case .compaction: self
    }
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
