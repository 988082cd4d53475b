import RWSJSON

/// Answers by rules from the whole chained context, so that a test can ask for each shape of response.
///
/// The last user text or tool output decides:
///
///     tool output with "remaining": 0    LOOP DONE
///     any other tool output              a call of the first tool with {"seen": <tool outputs so far>}
///     TOOL LOOP, and there are tools     the same
///     RECALL                             RECALL users=<n> tools=<m> first=<first user text>
///     UPSTREAM ERROR                     response.failed (server_error) after response.created
///     PARALLEL <n>, and there are tools  n calls of the first tool at once (at most 64)
///     COMMENT                            two messages: phase commentary, then final_answer
///     CUSTOM                             a custom tool call
///     REFUSE                             a refusal
///     CALL <name>, and there is one      a call of that tool; its output is echoed
///     MISALIGNED                         response.failed (misalignment_policy_violation)
///     LIMIT                              half an echo, then response.incomplete (max_output_tokens)
///     anything else                      ECHO: <text>
///
/// `tool_choice: required` makes a call of whatever else would be a text: of the first tool that was not called
/// since the last user text. Where a function's schema does not allow `seen`, its arguments are what it allows,
/// and so are structured outputs (`SchemaInstance`).
///
/// Two words in the last user text go with any of these, for every answer until the next user text:
///
///     REASON                             a reasoning item comes first
///     SLOW <ms>                          the events are spread over that time (at most an hour)
package struct RuleModel: Model {
  package static let parallelCallsMax = 64
  package static let slowMillisecondsMax = 3_600_000

  package init() {}

  package func answer(_ input: ModelInput) -> ModelAnswer {
    let userText = Array(input.lastUserText.utf8)
    var answer = ruledAnswer(input)
    if input.mustCall, answer.ending == .completed, !answer.items.contains(where: \.isCall),
      let call = requiredCall(input)
    {
      answer.items = [call]
    }
    if !input.allowsParallelCalls { keepFirstCall(in: &answer) }
    if answer.ending == .completed { answer.items = answer.items.map { formatted($0, input) } }
    if ByteSearch.contains("REASON", in: userText) {
      answer.items.insert(
        .reasoning(summary: "Deciding by rule. \(input.context.items.count) items in view."), at: 0)
    }
    if let milliseconds = number(after: "SLOW ", in: userText) {
      answer.spreadMilliseconds = Int64(min(milliseconds, Self.slowMillisecondsMax))
    }
    return answer
  }

  private func ruledAnswer(_ input: ModelInput) -> ModelAnswer {
    guard let prompt = input.prompt else { return echo("") }
    if prompt.isToolOutput {
      let answered = trailingOutputs(input.context.items)
      if answered.contains(where: { saysNothingRemains($0.text) }) {
        return text("LOOP DONE")
      }
      guard let tool = input.tools.first, calledByName(input) == nil else {
        return echo(prompt.text)
      }
      if input.mustCall, !asksForALoop(input), let call = requiredCall(input) {
        return ModelAnswer([call])
      }
      return ModelAnswer([call(of: tool, input)])
    }
    return answer(toUserText: prompt.text, input)
  }

  private func answer(toUserText userText: String, _ input: ModelInput) -> ModelAnswer {
    let words = Array(userText.utf8)
    if ByteSearch.contains("TOOL LOOP", in: words), let call = firstToolCall(input) {
      return ModelAnswer([call])
    }
    if ByteSearch.contains("RECALL", in: words) {
      return text(
        "RECALL users=\(input.userMessages) tools=\(input.toolOutputs)"
          + " first=\(input.firstUserText)")
    }
    if ByteSearch.contains("UPSTREAM ERROR", in: words) {
      return ModelAnswer(
        [],
        ending: .failed(
          ResponseFailure(
            code: "server_error",
            message: "The model produced an error, as the input asked (UPSTREAM ERROR).")))
    }
    if let count = number(after: "PARALLEL ", in: words), let call = firstToolCall(input) {
      return ModelAnswer(
        Array(repeating: call, count: max(1, min(count, Self.parallelCallsMax))))
    }
    if let tool = calledByName(input) { return ModelAnswer([call(of: tool, input)]) }
    if ByteSearch.contains("MISALIGNED", in: words) {
      return ModelAnswer([], ending: .failed(.misaligned))
    }
    if ByteSearch.contains("COMMENT", in: words) {
      return ModelAnswer([
        .message("Working on it: \(userText)", phase: .commentary),
        .message("ECHO: \(userText)", phase: .finalAnswer),
      ])
    }
    if ByteSearch.contains("CUSTOM", in: words) {
      let tool = input.tools.first(where: \.isCustom) ?? input.tools.first
      return ModelAnswer([
        .customCall(name: tool?.name ?? "custom", input: "seen \(input.toolOutputs) outputs\n")
      ])
    }
    if ByteSearch.contains("REFUSE", in: words) {
      return ModelAnswer([.refusal("I refuse, as the input asked (REFUSE).")])
    }
    if ByteSearch.contains("LIMIT", in: words) {
      let whole = "ECHO: \(userText)"
      let half = String(whole.prefix((whole.count + 1) / 2))
      return ModelAnswer(
        [.message(half, phase: nil)], ending: .incomplete(reason: "max_output_tokens"))
    }
    return echo(userText)
  }

  private func text(_ text: String) -> ModelAnswer {
    ModelAnswer([.message(text, phase: nil)])
  }

  private func echo(_ heard: String) -> ModelAnswer {
    text("ECHO: \(heard)")
  }

  private func firstToolCall(_ input: ModelInput) -> ModelAnswer.Item? {
    input.tools.first.map { call(of: $0, input) }
  }

  /// The first tool that was not called since the last user text, or the last one.
  private func requiredCall(_ input: ModelInput) -> ModelAnswer.Item? {
    let called = Set(input.latestItems.compactMap { $0.isCall ? $0.name : nil })
    let tool = input.tools.first { !called.contains($0.name) } ?? input.tools.last
    return tool.map { call(of: $0, input) }
  }

  /// The tool of `CALL <name>` in the last user text.
  private func calledByName(_ input: ModelInput) -> ModelInput.Tool? {
    let words = Array(input.lastUserText.utf8)
    guard let end = ByteSearch.end(of: "CALL ", in: words, from: 0) else { return nil }
    let name = words[end...].prefix { !ByteSearch.isBlank($0) }
    return input.tools.first { name.elementsEqual($0.name.utf8) }
  }

  private func call(of tool: ModelInput.Tool, _ input: ModelInput) -> ModelAnswer.Item {
    let seen = "{\"seen\": \(input.toolOutputs)}"
    if tool.isCustom { return .customCall(name: tool.name, input: seen) }
    guard let schema = tool.parameters, !Self.allowsSeen(schema) else {
      return .functionCall(name: tool.name, arguments: seen)
    }
    return .functionCall(
      name: tool.name,
      arguments: SchemaInstance.write(
        of: schema, text: "ECHO: \(input.lastUserText.prefix(Self.argumentLengthMax))",
        number: input.toolOutputs))
  }

  /// Whether `{"seen": <n>}` is a value of it.
  private static func allowsSeen(_ schema: JSONValue) -> Bool {
    let others = schema["required"]?.elements.contains { $0.string != "seen" } ?? false
    let isClosed = schema["additionalProperties"]?.bool == false
    return !others && (!isClosed || schema["properties"]?["seen"] != nil)
  }

  private static let argumentLengthMax = 200

  private func keepFirstCall(in answer: inout ModelAnswer) {
    guard let first = answer.items.firstIndex(where: \.isCall) else { return }
    answer.items.removeSubrange((first + 1)...)
  }

  private func formatted(_ item: ModelAnswer.Item, _ input: ModelInput) -> ModelAnswer.Item {
    guard case .message(let text, let phase) = item else { return item }
    switch input.format {
    case .text: return item
    case .object:
      var writer = JSONWriter()
      writer.beginObject()
      writer.member("text", text)
      writer.endObject()
      return .message(String(decoding: writer.bytes, as: UTF8.self), phase: phase)
    case .schema(let schema):
      return .message(
        SchemaInstance.write(of: schema, text: text, number: input.toolOutputs), phase: phase)
    }
  }

  private func asksForALoop(_ input: ModelInput) -> Bool {
    ByteSearch.contains("TOOL LOOP", in: Array(input.lastUserText.utf8))
  }

  /// The outputs that came together at the end: parallel calls are answered by several.
  private func trailingOutputs(_ items: [Item]) -> some Sequence<Item> {
    items.reversed().prefix { $0.isToolOutput }
  }

  /// `"remaining": 0`, with any blanks around the colon, and no number that only begins with 0.
  private func saysNothingRemains(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    var position = 0
    while let end = ByteSearch.end(of: "\"remaining\"", in: bytes, from: position) {
      position = end
      var rest = bytes[end...].drop(while: ByteSearch.isBlank)
      guard rest.popFirst() == UInt8(ascii: ":") else { continue }
      rest = rest.drop(while: ByteSearch.isBlank)
      guard rest.popFirst() == UInt8(ascii: "0") else { continue }
      guard let next = rest.first else { return true }
      let isMoreOfTheNumber =
        ByteSearch.isDigit(next) || next == UInt8(ascii: ".") || next | 0x20 == UInt8(ascii: "e")
      if !isMoreOfTheNumber { return true }
    }
    return false
  }

  /// The decimal number right after the first `word` that one follows; of at most nine digits.
  private func number(after word: StaticString, in text: [UInt8]) -> Int? {
    var position = 0
    while let end = ByteSearch.end(of: word, in: text, from: position) {
      position = end
      let digits = text[end...].prefix(while: ByteSearch.isDigit)
      if !digits.isEmpty, digits.count <= 9 {
        return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
      }
    }
    return nil
  }
}
