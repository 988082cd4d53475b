import RWSJSON

/// Writes the events of one response, in the order and with every field that the SDK's types require.
///
///     created ─ in_progress ─ (output_item.added … output_item.done)* ─ completed | incomplete | failed
///
/// On a named lane each carries the lane's name as `stream_id`.
struct EventEmitter {
  private let response: ResponseObject
  private let lane: String?
  private let dialect: Dialect
  private(set) var events: [EventText] = []

  /// `lane`: to be echoed.
  init(response: ResponseObject, lane: String?, dialect: Dialect) {
    self.response = response
    self.lane = lane
    self.dialect = dialect
  }

  mutating func begin(isBare: Bool = false) {
    emit(response: "response.created", ResponseObject.State(status: "in_progress"))
    guard !isBare else { return }
    emit(response: "response.in_progress", ResponseObject.State(status: "in_progress"))
  }

  /// `response`: the object as it is at the end.
  mutating func end(_ type: String, response: [UInt8]) -> EventText {
    emit(dialect.has(.responseDone) ? "response.done" : type) { writer in
      writer.member("response", raw: response)
    }
  }

  mutating func emit(_ item: OutputItem, at index: Int) {
    emit("response.output_item.added") { writer in
      writer.member("output_index", index)
      writer.member("item", raw: item.json(.added))
    }
    switch item.answer {
    case .message(let text, _):
      emitContentPart(item, index, name: "output_text", chunks: Chunks.words(text))
    case .refusal(let text):
      emitContentPart(item, index, name: "refusal", chunks: Chunks.words(text))
    case .functionCall(_, let arguments):
      emitStream(
        item, index, prefix: "response.function_call_arguments", whole: "arguments",
        chunks: Chunks.pieces(arguments))
    case .customCall(_, let input):
      emitStream(
        item, index, prefix: "response.custom_tool_call_input", whole: "input",
        chunks: Chunks.words(input))
    case .reasoning(let summary):
      emitSummary(item, index, summary)
    case .compaction:
      emit("response.compaction.compacting") { Self.writePlace(item, index, to: &$0) }
    }
    emit("response.output_item.done") { writer in
      writer.member("output_index", index)
      writer.member("item", raw: item.json(.done))
    }
  }

  private mutating func emitContentPart(
    _ item: OutputItem, _ index: Int, name: String, chunks: [Substring]
  ) {
    func part(_ type: String, isEmpty: Bool) {
      emit(type) { writer in
        Self.writePlace(item, index, to: &writer)
        writer.member("content_index", 0)
        writer.member("part", raw: item.contentPart(isEmpty: isEmpty))
      }
    }
    part("response.content_part.added", isEmpty: true)
    let isText = name == "output_text"
    emitStream(
      item, index, prefix: "response.\(name)", whole: isText ? "text" : "refusal", chunks: chunks
    ) { writer in
      writer.member("content_index", 0)
      if isText { writer.member("logprobs", raw: "[]") }
    }
    part("response.content_part.done", isEmpty: false)
  }

  private mutating func emitSummary(_ item: OutputItem, _ index: Int, _ summary: String) {
    func part(_ type: String, _ text: String) {
      emit(type) { writer in
        Self.writePlace(item, index, to: &writer)
        writer.member("summary_index", 0)
        writer.member("part", raw: item.summaryPart(text))
      }
    }
    part("response.reasoning_summary_part.added", "")
    emitStream(
      item, index, prefix: "response.reasoning_summary_text", whole: "text",
      chunks: Chunks.words(summary)
    ) { $0.member("summary_index", 0) }
    part("response.reasoning_summary_part.done", summary)
  }

  /// The deltas of a text, then the whole of it.
  private mutating func emitStream(
    _ item: OutputItem, _ index: Int, prefix: String, whole: String, chunks: [Substring],
    _ extra: (inout JSONWriter) -> Void = { _ in }
  ) {
    for chunk in chunks {
      emit(prefix + ".delta") { writer in
        Self.writePlace(item, index, to: &writer)
        extra(&writer)
        writer.member("delta", String(chunk))
      }
    }
    emit(prefix + ".done") { writer in
      Self.writePlace(item, index, to: &writer)
      extra(&writer)
      writer.member(whole, item.text)
    }
  }

  private static func writePlace(_ item: OutputItem, _ index: Int, to writer: inout JSONWriter) {
    writer.member("item_id", item.id)
    writer.member("output_index", index)
  }

  private mutating func emit(response type: String, _ state: ResponseObject.State) {
    let response = response
    emit(type) { writer in
      writer.key("response")
      response.write(state, to: &writer)
    }
  }

  @discardableResult
  private mutating func emit(
    _ type: String, _ write: (inout JSONWriter) -> Void
  ) -> EventText {
    var writer = EventWriter(type, dialect: dialect)
    write(&writer.json)
    let event = writer.finish(lane: lane)
    events.append(event)
    return event
  }
}

/// How a text is cut into deltas.
enum Chunks {
  /// A word and the blanks after it.
  static func words(_ text: String) -> [Substring] {
    var chunks: [Substring] = []
    var start = text.startIndex
    var isAfterBlank = false
    // By bytes: going by characters takes a microsecond for each, and no other connection is served meanwhile.
    for index in text.utf8.indices {
      let isBlank = ByteSearch.isBlank(text.utf8[index])
      if isAfterBlank, !isBlank {
        chunks.append(text[start..<index])
        start = index
      }
      isAfterBlank = isBlank
    }
    if start < text.endIndex { chunks.append(text[start...]) }
    return chunks
  }

  /// Eight characters each: arguments have few blanks.
  static func pieces(_ text: String) -> [Substring] {
    var chunks: [Substring] = []
    var rest = text[...]
    while !rest.isEmpty {
      chunks.append(rest.prefix(8))
      rest = rest.dropFirst(8)
    }
    return chunks
  }
}
