import RWSJSON

/// The body of a `response.create`.
struct ResponseRequest {
  /// nil: the default lane.
  let lane: String?
  private var fields: [String: JSONValue]
  /// Zero data retention: nothing is stored, whatever the request says.
  var isStoreOff = false
  /// On whose behalf the connection was made.
  var organization = ""
  /// The body as it came; and when (the server's clock).
  var receivedBytes = 0
  var receivedAt: Int64 = 0

  init(fields: [String: JSONValue], lane: String?) {
    self.fields = fields
    self.lane = lane
  }

  /// A null counts as absent: clients must omit unset fields, and some send null.
  subscript(_ key: String) -> JSONValue? {
    fields[key].flatMap { $0.isNull ? nil : $0 }
  }

  var model: String { self["model"]?.string ?? "" }
  var previousResponseID: String? { self["previous_response_id"]?.string }
  var conversationID: String? {
    self["conversation"].flatMap { $0.string ?? $0["id"]?.string }
  }
  var store: Bool { !isStoreOff && self["store"]?.bool ?? true }
  /// For whom the model works, as far as the request says.
  var endUser: String { (self["safety_identifier"] ?? self["user"])?.string ?? "" }

  /// A warm-up: prepares the context and generates nothing.
  var isWarmUp: Bool {
    self["generate"]?.bool == false || self["prompt_cache_options"]?["prewarm"]?.bool == true
  }

  /// Newer servers give the ciphertext unless the request says what to include, and not this.
  var includesCiphertext: Bool {
    guard let include = self["include"] else { return true }
    return include.elements.contains { $0.string == "reasoning.encrypted_content" }
  }

  /// The model is shown the reasoning since the last user message, and none from before.
  var keepsReasoningOfThisTurnOnly: Bool { self["reasoning"]?["context"]?.string == "current_turn" }

  /// Beyond so many input tokens the context is compacted before the answer; nil: never.
  var compactThreshold: Int64? {
    let entries = self["context_management"]?.elements ?? []
    return entries.first { $0["type"]?.string == "compaction" }?["compact_threshold"]?.int
  }

  var isCompactedByItself: Bool { self["context_management"] != nil }

  /// The request that goes on where `id` ended, with the same settings and no input of its own.
  func successor(of id: String) -> ResponseRequest? {
    var writer = JSONWriter()
    writer.string(id)
    guard let previous = try? JSONValue(parsing: writer.bytes) else { return nil }
    var successor = self
    for key in ["input", "generate", "prompt_cache_options"] { successor.fields[key] = nil }
    successor.receivedBytes = 0
    successor.fields["previous_response_id"] = previous
    return successor
  }

  /// What a cached prefix was rendered with: a change of any of these loses the prompt cache.
  var renderedSettings: [[UInt8]] {
    let whole = ["instructions", "model", "tools", "text", "service_tier", "prompt_cache_key"]
    return whole.map { self[$0].map { Array($0.bytes) } ?? [] }
      + [self["reasoning"]?["effort"].map { Array($0.bytes) } ?? []]
  }

  /// Takes the instructions of what it continues, unless it has some.
  mutating func inheritInstructions(of parent: CachedResponse) {
    guard self["instructions"] == nil, let given = parent.renderedSettings.first, !given.isEmpty
    else { return }
    fields["instructions"] = try? JSONValue(parsing: given)
  }

  /// Of the input, what a conversation keeps.
  var ownItems: [Item] {
    ((try? input()) ?? []).filter { item in
      switch item.kind {
      case .message, .call, .output, .reasoning, .compaction, .other: true
      case .reference, .compactionTrigger: false
      }
    }
  }

  func input() throws(RequestError) -> [Item] {
    guard let input = self["input"] else { return [] }
    if let text = input.string { return [.userMessage(text)] }
    var items: [Item] = []
    for (index, element) in input.elements.enumerated() {
      items.append(try Item.parse(element, path: "input[\(index)]"))
    }
    return items
  }
}

// MARK: What a body must be, whatever the context

extension ResponseRequest {
  /// `dialect`: what it refuses besides.
  func check(strictFields: Bool, dialect: Dialect) throws(RequestError) {
    if strictFields {
      for key in fields.keys.sorted() where Self.types[key] == nil && key != "type" {
        throw .unknownParameter(key)
      }
    }
    for (key, kinds) in Self.types.sorted(by: { $0.key < $1.key }) {
      guard let value = self[key], !kinds.contains(value.kind) else { continue }
      throw .wrongType(
        key, expected: kinds.map(JSONValue.spoken).joined(separator: " or "),
        got: value.spokenKind)
    }
    guard !model.isEmpty else { throw .missing("model") }
    if previousResponseID != nil, self["conversation"] != nil {
      throw .invalid(
        "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Ensure you are"
          + " only providing one.", code: "mutually_exclusive_parameters")
    }
    if self["background"]?.bool == true {
      throw .invalid(
        "Background mode is not supported over WebSocket, nor by this server over HTTP.",
        code: "unsupported_parameter",
        param: "background")
    }
    if self["input"] == nil, previousResponseID == nil, self["prompt"] == nil,
      conversationID == nil, !isWarmUp
    {
      throw .invalid(
        "One of \"input\" or \"previous_response_id\" or \"prompt\" or \"conversation\" must be"
          + " provided.", code: "missing_required_parameter")
    }
    try checkTools()
    try SettingCheck.run(self)
    try check(dialect)
  }

  private func check(_ dialect: Dialect) throws(RequestError) {
    if dialect.has(.refusesInstructionsInChain), previousResponseID != nil,
      self["instructions"] != nil
    {
      throw .invalid(
        "Instructions cannot be given together with 'previous_response_id'.",
        code: "invalid_argument", param: "instructions")
    }
    if dialect.has(.refusesStore), self["store"]?.bool ?? true {
      throw .invalid("Store must be set to false", param: "store")
    }
    if dialect.has(.refusesWarmUp), isWarmUp {
      throw .unknownParameter("generate")
    }
  }

  private func checkTools() throws(RequestError) {
    for (index, tool) in (self["tools"]?.elements ?? []).enumerated() {
      guard tool.kind == .object else {
        throw .wrongType("tools[\(index)]", expected: "an object", got: tool.spokenKind)
      }
      guard let type = tool["type"]?.string else { throw .missing("tools[\(index)].type") }
      if type == "function" || type == "custom", tool["name"]?.string == nil {
        throw .missing("tools[\(index)].name")
      }
    }
  }

  /// Every field of `response.create` (SDK: `responses_client_event.py`) and the kinds of value it takes.
  private static let types: [String: [JSONKind]] = [
    "access_programs": [.object], "background": [.bool], "context_management": [.array],
    "conversation": [.string, .object], "generate": [.bool], "image": [.object],
    "include": [.array], "input": [.string, .array], "instructions": [.string],
    "max_output_tokens": [.number], "max_tool_calls": [.number], "metadata": [.object],
    "model": [.string], "moderation": [.object], "parallel_tool_calls": [.bool],
    "previous_response_id": [.string], "prompt": [.object], "prompt_cache_key": [.string],
    "prompt_cache_options": [.object], "prompt_cache_retention": [.string],
    "reasoning": [.object], "safety_identifier": [.string], "service_tier": [.string],
    "store": [.bool], "stream": [.bool], "stream_id": [.string], "stream_options": [.object],
    "temperature": [.number], "text": [.object], "tool_choice": [.string, .object],
    "tools": [.array], "top_logprobs": [.number], "top_p": [.number], "truncation": [.string],
    "user": [.string],
  ]
}
