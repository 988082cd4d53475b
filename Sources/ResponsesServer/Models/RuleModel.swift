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
///     LIMIT                              half an echo, then response.incomplete (max_output_tokens)
///     anything else                      ECHO: <text>
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
      guard let call = firstToolCall(input) else { return echo(prompt.text) }
      return ModelAnswer([call])
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
          code: "server_error",
          message: "The model produced an error, as the input asked (UPSTREAM ERROR)."))
    }
    if let count = number(after: "PARALLEL ", in: words), let call = firstToolCall(input) {
      return ModelAnswer(
        Array(repeating: call, count: max(1, min(count, Self.parallelCallsMax))))
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
    guard let tool = input.tools.first else { return nil }
    let arguments = "{\"seen\": \(input.toolOutputs)}"
    return tool.isCustom
      ? .customCall(name: tool.name, input: arguments)
      : .functionCall(name: tool.name, arguments: arguments)
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
