import RWSJSON

/// What becomes of an item when a chain is sent whole again (protocol.md, Full replay 3 to 5).
enum ReplayItem {
  enum Kind: UInt8, Sendable {
    /// As the bytes are.
    case plain
    /// Holds members that the service refuses in input: they are taken out when it is sent.
    case unclean
    /// Reasoning without its ciphertext: only a server that stored the response has it.
    case bareReasoning
    /// The message that followed such reasoning: without it, its id would be refused.
    case afterBareReasoning
    /// Never sent again.
    case dropped

    /// Whether it does not matter to it if the server stored what it made.
    var isAlikeEverywhere: Bool {
      switch self {
      case .plain, .unclean, .dropped: true
      case .bareReasoning, .afterBareReasoning: false
      }
    }
  }

  /// The kinds of a response's items. Reasoning needs the item that followed it: without one it is dropped.
  static func kinds(ofOutput items: [JSONValue]) -> [Kind] {
    var kinds: [Kind] = []
    for item in items {
      switch item["type"]?.string {
      case "reasoning" where isBare(item): kinds.append(.bareReasoning)
      case "message" where kinds.last == .bareReasoning: kinds.append(.afterBareReasoning)
      default: kinds.append(isClean(item) ? .plain : .unclean)
      }
    }
    for index in items.indices.reversed() {
      guard items[index]["type"]?.string == "reasoning" else { break }
      kinds[index] = .dropped
    }
    return kinds
  }

  /// Indices of what goes when these calls are given up: they, and the reasoning before them from which nothing else
  /// came (what did come from it would be refused without it).
  static func dropped(of items: [JSONValue], abandoning calls: Set<String>) -> Set<Int> {
    var dropped: Set<Int> = []
    var next = Consequence.nothing
    for (index, item) in items.enumerated().reversed() {
      if item["type"]?.string == "reasoning" {
        if next == .abandoned { dropped.insert(index) }
        next = next == .abandoned ? .abandoned : .reasoning
      } else if calls.contains(item["call_id"]?.string ?? ""), isCall(item) {
        dropped.insert(index)
        if next != .kept { next = .abandoned }
      } else {
        next = .kept
      }
    }
    return dropped
  }

  /// What the reasoning before an item led to.
  private enum Consequence {
    case nothing, reasoning, abandoned, kept
  }

  private static func isCall(_ item: JSONValue) -> Bool {
    item["type"]?.string?.hasSuffix("_call") ?? false
  }

  /// The kind of a caller's form of an item whose own form is of `kind`.
  static func kind(of item: JSONValue, like kind: Kind) -> Kind {
    switch kind {
    case .bareReasoning, .afterBareReasoning, .dropped: kind
    case .plain, .unclean:
      if item["type"]?.string == "reasoning", isBare(item) {
        .bareReasoning
      } else {
        isClean(item) ? .plain : .unclean
      }
    }
  }

  private static func isBare(_ reasoning: JSONValue) -> Bool {
    reasoning["encrypted_content"]?.utf8?.isEmpty ?? true
  }

  /// The item's bytes for a request, without what the service refuses in input.
  static func cleaned(_ item: JSONValue, keepsID: Bool = true) -> [UInt8] {
    let type = item["type"]?.string ?? ""
    var writer = JSONWriter(reservingCapacity: item.bytes.count)
    writer.beginObject()
    for member in item.members where isKept(member, in: type) && (keepsID || member.key != "id") {
      let parts = isPartList(member.key, in: type) ? member.value.elements : []
      guard parts.contains(where: { !isCleanPart($0) }) else {
        writer.member(member)
        continue
      }
      writer.key(raw: member.name)
      writer.beginArray()
      for part in parts {
        writer.beginObject()
        for member in part.members where isKept(member, in: "") { writer.member(member) }
        writer.endObject()
      }
      writer.endArray()
    }
    writer.endObject()
    return writer.bytes
  }

  private static func isClean(_ item: JSONValue) -> Bool {
    let type = item["type"]?.string ?? ""
    return item.members.allSatisfy { member in
      isKept(member, in: type)
        && (!isPartList(member.key, in: type) || member.value.elements.allSatisfy(isCleanPart))
    }
  }

  private static func isCleanPart(_ part: JSONValue) -> Bool {
    part.kind != .object || part.members.allSatisfy { isKept($0, in: "") }
  }

  /// Lists of objects in which the same members are refused: a message's parts, what a shell printed.
  private static func isPartList(_ key: String, in type: String) -> Bool {
    key == "content" || key == "output" && type == "shell_call_output"
  }

  private static func isKept(_ member: JSONValue.Member, in type: String) -> Bool {
    switch member.key {
    case "created_by", "parsed", "parsed_arguments": false
    case let key: !member.value.isNull || isNullRequired(key, in: type)
    }
  }

  /// Input types in which a null must stay.
  private static func isNullRequired(_ key: String, in type: String) -> Bool {
    switch (type, key) {
    case ("image_generation_call", "result"), ("code_interpreter_call", "code"),
      ("code_interpreter_call", "outputs"):
      true
    default: false
    }
  }
}

extension JSONWriter {
  /// Key and value as they were written.
  fileprivate mutating func member(_ member: JSONValue.Member) {
    key(raw: member.name)
    value(member.value)
  }

  fileprivate mutating func key(raw name: JSONValue) { key(utf8: name.utf8 ?? []) }
}
