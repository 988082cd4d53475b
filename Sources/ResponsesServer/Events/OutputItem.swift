import RWSJSON

/// One item of an answer, with its ids, in the three forms that its events show: just added, done, and as the
/// terminal event repeats it.
struct OutputItem {
  enum Form: Equatable {
    case added
    case done
    /// The same item in `response.completed`: equal but for a reasoning item's ciphertext, which the service
    /// makes anew.
    case repeated
  }

  let id: String
  let answer: ModelAnswer.Item
  /// Of a call.
  let callID: String
  /// `completed`, or `incomplete` for the item at which the response was cut short.
  let finalStatus: String
  /// nil: the request does not include ciphertext.
  private let ciphertexts: (done: String, repeated: String)?

  init(
    _ answer: ModelAnswer.Item, ids: inout IDSource, seal: ReasoningSeal?, isCutShort: Bool
  ) {
    self.answer = answer
    finalStatus = isCutShort ? "incomplete" : "completed"
    switch answer {
    case .message, .refusal: id = ids.next("msg")
    case .functionCall: id = ids.next("fc")
    case .customCall: id = ids.next("ctc")
    case .reasoning: id = ids.next("rs")
    case .compaction: id = ids.next("cmp")
    }
    callID = ids.next("call")
    ciphertexts = seal.map { ($0.ciphertext(&ids), $0.ciphertext(&ids)) }
  }

  func json(_ form: Form) -> [UInt8] {
    var writer = JSONWriter()
    let isAdded = form == .added
    writer.beginObject()
    writer.member("id", id)
    switch answer {
    case .message(_, let phase):
      writeMessage(form, phase, to: &writer)
    case .refusal:
      writeMessage(form, nil, to: &writer)
    case .functionCall(let name, let arguments):
      writer.member("type", "function_call")
      writer.member("status", isAdded ? "in_progress" : finalStatus)
      writer.member("call_id", callID)
      writer.member("name", name)
      writer.member("arguments", isAdded ? "" : arguments)
    case .customCall(let name, let input):
      writer.member("type", "custom_tool_call")
      writer.member("status", isAdded ? "in_progress" : finalStatus)
      writer.member("call_id", callID)
      writer.member("name", name)
      writer.member("input", isAdded ? "" : input)
    case .reasoning(let summary):
      writer.member("type", "reasoning")
      writer.key("summary")
      writer.beginArray()
      if !isAdded { writer.raw(summaryPart(summary)) }
      writer.endArray()
      if let ciphertexts, !isAdded {
        writer.member(
          "encrypted_content", form == .done ? ciphertexts.done : ciphertexts.repeated)
      }
    case .compaction(let summary):
      writer.member("type", "compaction")
      writer.member("encrypted_content", isAdded ? "" : summary.ciphertext)
    }
    writer.endObject()
    return writer.bytes
  }

  private func writeMessage(_ form: Form, _ phase: ModelAnswer.Phase?, to writer: inout JSONWriter)
  {
    let isAdded = form == .added
    writer.member("type", "message")
    writer.member("status", isAdded ? "in_progress" : finalStatus)
    writer.member("role", "assistant")
    writer.key("content")
    writer.beginArray()
    if !isAdded { writer.raw(contentPart(isEmpty: false)) }
    writer.endArray()
    if let phase { writer.member("phase", phase.rawValue) }
  }

  /// The one part of a message: its text or its refusal.
  func contentPart(isEmpty: Bool) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    if case .refusal(let refusal) = answer {
      writer.member("type", "refusal")
      writer.member("refusal", isEmpty ? "" : refusal)
    } else {
      writer.member("type", "output_text")
      writer.member("annotations", raw: "[]")
      writer.member("logprobs", raw: "[]")
      writer.member("text", isEmpty ? "" : text)
    }
    writer.endObject()
    return writer.bytes
  }

  func summaryPart(_ text: String) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("type", "summary_text")
    writer.member("text", text)
    writer.endObject()
    return writer.bytes
  }

  var text: String { answer.text }

  /// As a part of the context of what follows.
  var contextItem: Item {
    let json = json(.done)
    switch answer {
    case .message, .refusal:
      return Item(kind: .message(.assistant), json: json, id: id, text: text)
    case .functionCall(let name, _):
      return Item(
        kind: .call(.function), json: json, id: id, callID: callID, name: name, text: text)
    case .customCall(let name, _):
      return Item(
        kind: .call(.custom), json: json, id: id, callID: callID, name: name, text: text)
    case .reasoning:
      return Item(
        kind: .reasoning, json: json, id: id, text: text, hasCiphertext: ciphertexts != nil)
    case .compaction(let summary):
      return Item(kind: .compaction, json: json, id: id, text: "", summary: summary)
    }
  }
}
