import RWSJSON

/// The `response` object inside events, with every field that the SDK's `Response` type has a default for.
struct ResponseObject {
  let id: String
  private let createdAt: Int64
  /// The settings as the request gave them, or their defaults: members of an object, without the braces.
  private let settings: [UInt8]
  /// The same at the end, where that differs.
  private let finalSettings: [UInt8]?
  private let inputTransformations: [InputTransformation]
  private let conversationID: String?
  private let isSparse: Bool

  /// What differs between the events of one response.
  struct State {
    var status: String
    var output: [[UInt8]] = []
    var usage: Usage?
    var completedAt: Int64?
    var incompleteReason: String?
    var failure: ResponseFailure?

    var isFinal: Bool { status != "in_progress" }
  }

  init(
    id: String, createdAt: Int64, request: ResponseRequest,
    inputTransformations: [InputTransformation] = [], dialect: Dialect = .openAI
  ) {
    self.id = id
    self.createdAt = createdAt
    self.inputTransformations = inputTransformations
    conversationID = request.conversationID
    isSparse = dialect.has(.sparse)
    settings = Self.settings(of: request, isSparse: isSparse)
    finalSettings =
      dialect.has(.changesModel)
      ? Self.settings(of: request, isSparse: isSparse, model: request.model + "-2026-11-01") : nil
  }

  private static func settings(
    of request: ResponseRequest, isSparse: Bool, model: String? = nil
  ) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    for (key, fallback) in echoed where !isSparse || key == "model" {
      writer.key(key)
      switch (key, request[key]) {
      case ("model", _) where model != nil: writer.string(model ?? "")
      // What the service did counts, not what was asked: with zero data retention nothing is stored.
      case ("store", _): writer.bool(request.store)
      case ("service_tier", let tier?): writer.string(served[tier.string ?? ""] ?? tier.string ?? "")
      case (_, let value?): writer.value(value)
      case (_, nil): writer.raw(fallback)
      }
    }
    writer.endObject()
    return Array(writer.bytes.dropFirst().dropLast())
  }

  /// What a tier comes to, where that is another.
  private static let served = ["auto": "default", "fast": "priority"]

  private static let echoed: [(key: String, fallback: StaticString)] = [
    ("instructions", "null"), ("max_output_tokens", "null"), ("max_tool_calls", "null"),
    ("metadata", "{}"), ("model", "\"\""), ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"), ("prompt_cache_key", "null"),
    ("prompt_cache_retention", "null"),
    ("reasoning", #"{"effort":null,"summary":null}"#), ("safety_identifier", "null"),
    ("service_tier", "\"default\""), ("store", "true"), ("temperature", "1.0"),
    ("text", #"{"format":{"type":"text"},"verbosity":"medium"}"#), ("tool_choice", "\"auto\""),
    ("tools", "[]"), ("top_logprobs", "0"), ("top_p", "1.0"), ("truncation", "\"disabled\""),
    ("user", "null"),
  ]

  func write(_ state: State, to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("id", id)
    writer.member("object", "response")
    writer.member("created_at", createdAt)
    writer.member("status", state.status)
    if isSparse {
      writeEnd(state, to: &writer)
      return
    }
    writer.member("background", false)
    writer.key("completed_at")
    if let time = state.completedAt { writer.int(time) } else { writer.null() }
    if let conversationID {
      writer.key("conversation")
      writer.beginObject()
      writer.member("id", conversationID)
      writer.endObject()
    }
    writer.key("error")
    if let failure = state.failure { failure.write(to: &writer) } else { writer.null() }
    writer.key("incomplete_details")
    if let reason = state.incompleteReason {
      writer.beginObject()
      writer.member("reason", reason)
      writer.endObject()
    } else {
      writer.null()
    }
    if !inputTransformations.isEmpty {
      writer.key("input_transformations")
      writer.beginArray()
      for transformation in inputTransformations { transformation.write(to: &writer) }
      writer.endArray()
    }
    writeEnd(state, to: &writer)
  }

  private func writeEnd(_ state: State, to writer: inout JSONWriter) {
    writer.key("output")
    writer.beginArray()
    for item in state.output { writer.raw(item) }
    writer.endArray()
    if let usage = state.usage {
      writer.key("usage")
      usage.write(to: &writer, isSparse: isSparse)
    } else if !isSparse {
      writer.memberNull("usage")
    }
    writer.raw(state.isFinal ? finalSettings ?? settings : settings)
    writer.endObject()
  }

  func json(_ state: State) -> [UInt8] {
    var writer = JSONWriter(reservingCapacity: 1024)
    write(state, to: &writer)
    return writer.bytes
  }
}

/// What a response cost, by `Tokens`' rule.
struct Usage: Equatable {
  var input = 0
  /// The part of `input` that the cache held.
  var cached = 0
  var output = 0
  var reasoning = 0

  func write(to writer: inout JSONWriter, isSparse: Bool = false) {
    writer.beginObject()
    writer.member("input_tokens", input)
    if isSparse {
      writer.member("output_tokens", output)
      writer.endObject()
      return
    }
    writer.key("input_tokens_details")
    writer.beginObject()
    writer.member("cached_tokens", cached)
    writer.member("cache_write_tokens", input - cached)
    writer.endObject()
    writer.member("output_tokens", output)
    writer.key("output_tokens_details")
    writer.beginObject()
    writer.member("reasoning_tokens", reasoning)
    writer.endObject()
    writer.member("total_tokens", input + output)
    writer.endObject()
  }
}
