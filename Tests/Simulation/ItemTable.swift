import RWSJSON

/// The items of one world, each text once: contexts are lists of numbers.
final class ItemTable {
  final class Item {
    let text: String
    let type: String
    let callID: String?
    let isCall: Bool
    let isAnswer: Bool
    let isUnfinished: Bool
    let isModelMade: Bool
    let isReasoning: Bool
    let isCompaction: Bool
    let isTrigger: Bool
    /// Reasoning without its ciphertext.
    let isBare: Bool
    /// Holds what the service refuses in input.
    let isUnclean: Bool

    init(_ text: String, _ value: JSONValue) {
      self.text = text
      type = value["type"]?.string ?? "message"
      callID = value["call_id"]?.string
      isCall = type == "function_call" || type == "custom_tool_call"
      isAnswer = type == "function_call_output" || type == "custom_tool_call_output"
      isUnfinished = value["status"]?.string == "incomplete" && type.hasSuffix("_call")
      isModelMade =
        type == "message" && value["role"]?.string == "assistant"
        || type.hasSuffix("_call") || type == "compaction" || type == "vendor_item"
      isReasoning = type == "reasoning"
      isCompaction = type == "compaction"
      isTrigger = type == "compaction_trigger"
      isBare = isReasoning && value["encrypted_content"] == nil
      isUnclean = value.members.contains { $0.key == "created_by" || $0.value.isNull }
    }
  }

  private(set) var items: [Item] = []
  /// What each says, whoever wrote it down: without what may be missing, members in order. Few are ever asked.
  private var meanings: [Int: String] = [:]
  private var numbers: [String: Int] = [:]

  subscript(number: Int) -> Item { items[number] }

  func intern(_ text: String) -> Int {
    if let number = numbers[text] { return number }
    guard let value = try? JSONValue(parsing: text) else {
      Violation.report("an item is no JSON: \(text)")
      return text == "{}" ? 0 : intern("{}")
    }
    items.append(Item(text, value))
    numbers[text] = items.count - 1
    return items.count - 1
  }

  private func meaning(of number: Int) -> String {
    if let meaning = meanings[number] { return meaning }
    let item = items[number]
    let meaning = (try? JSONValue(parsing: item.text)).map { Self.meaning($0, item.type, isTop: true) } ?? ""
    meanings[number] = meaning
    return meaning
  }

  private static func meaning(_ value: JSONValue, _ type: String, isTop: Bool) -> String {
    switch value.kind {
    case .object:
      let isKnownByID = type == "reasoning" || type == "compaction"
      let members = value.members.filter { member in
        switch member.key {
        case "created_by", "status", "logprobs": false
        case "id": isKnownByID
        case "encrypted_content": !(isKnownByID && isTop)
        case "annotations": !member.value.elements.isEmpty
        case "type": member.value.string != "message"
        default: !member.value.isNull
        }
      }
      return "{"
        + members.map { "\($0.key):" + meaning($0.value, type, isTop: false) }.sorted()
        .joined(separator: ",") + "}"
    case .array:
      return "[" + value.elements.map { meaning($0, type, isTop: false) }.joined(separator: ",") + "]"
    case .string: return "\"" + (value.string ?? "") + "\""
    case .number, .bool, .null: return String(decoding: value.bytes, as: UTF8.self)
    }
  }

  // MARK: What a model sees

  /// Of a context, what counts: from the latest compaction on, without triggers, without reasoning that only a server
  /// that stored it can show or that nothing follows.
  func view(_ context: [Int]) -> [Int] {
    let start = context.lastIndex { items[$0].isCompaction } ?? 0
    var seen: [Int] = []
    var isFollowed = false
    for number in context[start...].reversed() {
      let item = items[number]
      if item.isTrigger { continue }
      if item.isReasoning {
        if isFollowed, !item.isBare { seen.append(number) }
        continue
      }
      isFollowed = item.isModelMade
      seen.append(number)
    }
    return seen.reversed()
  }

  /// Where two contexts differ; nil: nowhere.
  /// - Parameter isVerbatim: Clean items must be the same bytes.
  func difference(_ seen: [Int], _ expected: [Int], isVerbatim: Bool) -> String? {
    let (left, right) = (view(seen), view(expected))
    for index in 0..<max(left.count, right.count) {
      guard index < left.count else { return "item \(index) is missing: \(items[right[index]].text)" }
      guard index < right.count else { return "item \(index) is too much: \(items[left[index]].text)" }
      let (one, other) = (left[index], right[index])
      if one == other { continue }
      let isSame = meaning(of: one) == meaning(of: other)
      // The id of a message goes with the reasoning before it.
      if isSame, !isVerbatim || items[other].isUnclean || items[other].type == "message" { continue }
      return "item \(index) is \(items[one].text) instead of \(items[other].text)"
    }
    return nil
  }

  /// protocol.md, "What the service rejects": nil if it would take this context.
  func problem(in context: [Int]) -> String? {
    var calls: Set<String> = []
    var answered: Set<String> = []
    for number in view(context) {
      let item = items[number]
      if item.isUnfinished { return "an unfinished call" }
      guard let call = item.callID else { continue }
      if item.isCall {
        guard calls.insert(call).inserted else { return "call \(call) twice" }
      } else if item.isAnswer {
        guard calls.contains(call) else { return "No tool call found for \(call)" }
        guard answered.insert(call).inserted else { return "two outputs for \(call)" }
      }
    }
    let open = calls.subtracting(answered)
    return open.isEmpty ? nil : "No tool output found for \(open.sorted())"
  }

  /// Of a request's own input.
  func problem(inInput input: [Int], isStored: Bool) -> String? {
    for (index, number) in input.enumerated() {
      let item = items[number]
      if item.isUnclean { return "unknown parameter in \(item.text)" }
      if item.isBare, !isStored { return "Item not found: \(item.text)" }
      if item.isTrigger, index != input.count - 1 { return "a trigger that is not last" }
      guard item.isReasoning else { continue }
      let next = input[(index + 1)...].first { !items[$0].isReasoning }
      guard let next, items[next].isModelMade else {
        return "reasoning without its required following item: \(item.text)"
      }
    }
    return nil
  }
}
