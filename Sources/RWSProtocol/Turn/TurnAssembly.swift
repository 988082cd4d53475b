import RWSJSON

/// What a turn has brought so far, put together from its events.
///
/// Text grows with the deltas. A server that sends none (sparse gateways) still gives a full result:
/// a finished item fills in what its deltas did not bring, the terminal response what no item did.
package struct TurnAssembly: Sendable {
  package private(set) var responseID = ""
  package private(set) var text: [UInt8] = []
  package private(set) var refusal: [UInt8] = []
  package private(set) var reasoningSummary: [UInt8] = []
  package private(set) var incompleteReason = ""
  /// JSON of the terminal event's response.
  package private(set) var response: [UInt8] = []
  package private(set) var usage: Usage?
  package private(set) var calls: [ToolCall] = []
  /// JSON of the finished output items, in output order.
  package var items: [[UInt8]] { finished.map(\.json) }
  package var itemCount: Int { finished.count }
  package func item(at index: Int) -> [UInt8]? {
    finished.indices.contains(index) ? finished[index].json : nil
  }

  private var finished: [(outputIndex: Int64, json: [UInt8])] = []
  /// Items whose text, refusal or summary came as deltas.
  private var streamed: Set<[UInt8]> = []
  private var lastStreamed: [UInt8] = []
  private var summaryParts = 0

  package init() {}

  package mutating func apply(_ batch: EventBatch) {
    for record in batch.records { apply(record, batch) }
  }

  private mutating func apply(_ record: EventBatch.Record, _ batch: EventBatch) {
    switch record.fields.kind {
    case .outputTextDelta:
      Surrogates.append(batch.delta(record), to: &text)
      noteStreamed(record, batch)
    case .refusalDelta:
      Surrogates.append(batch.delta(record), to: &refusal)
      noteStreamed(record, batch)
    case .reasoningSummaryPartAdded:
      beginSummaryPart()
    case .reasoningSummaryTextDelta:
      if summaryParts == 0 { beginSummaryPart() }
      Surrogates.append(batch.delta(record), to: &reasoningSummary)
      noteStreamed(record, batch)
    case .functionCallArgumentsDelta, .customToolCallInputDelta:
      if let index = callIndex(of: record, batch) {
        Surrogates.append(batch.delta(record), to: &calls[index].arguments)
      }
    case .outputItemAdded:
      if let item = record.fields.item.value(in: batch.json(record)) {
        addCall(item, outputIndex: record.fields.outputIndex)
      }
    case .outputItemDone:
      if let item = record.fields.item.value(in: batch.json(record)) {
        finish(item, outputIndex: record.fields.outputIndex)
      }
    case .responseCreated, .responseQueued, .responseInProgress:
      if responseID.isEmpty {
        responseID = ResponseFields(batch.bytes(record.fields.response, of: record)).idText
      }
    case .responseCompleted, .responseFailed, .responseIncomplete:
      end(batch.bytes(record.fields.response, of: record))
    case .other, .error, .contentPartAdded, .contentPartDone, .outputTextDone, .refusalDone,
      .functionCallArgumentsDone, .customToolCallInputDone, .reasoningSummaryPartDone,
      .reasoningSummaryTextDone, .reasoningTextDelta, .reasoningTextDone, .notice:
      break
    }
  }

  private mutating func end(_ text: UnsafeRawBufferPointer) {
    let fields = ResponseFields(text)
    if fields.id != nil { responseID = fields.idText }
    incompleteReason = fields.incompleteReason ?? ""
    usage = fields.usage
    response = Array(text)
    guard finished.isEmpty, let value = try? JSONValue(parsing: text),
      let output = value["output"]
    else { return }
    for (index, item) in output.elements.enumerated() {
      finish(item, outputIndex: Int64(index))
    }
  }

  // MARK: Items

  private mutating func finish(_ item: JSONValue, outputIndex: Int64) {
    let place = finished.lastIndex { $0.outputIndex <= outputIndex }.map { $0 + 1 } ?? 0
    finished.insert((outputIndex, Array(item.bytes)), at: place)
    switch item["type"]?.string {
    case "message" where !isStreamed(item):
      for part in item["content"]?.elements ?? [] {
        text.append(contentsOf: part["text"]?.utf8 ?? [])
        refusal.append(contentsOf: part["refusal"]?.utf8 ?? [])
      }
    case "reasoning" where !isStreamed(item):
      for part in item["summary"]?.elements ?? [] {
        beginSummaryPart()
        reasoningSummary.append(contentsOf: part["text"]?.utf8 ?? [])
      }
    case "function_call", "custom_tool_call":
      completeCall(item, outputIndex: outputIndex)
    default:
      break
    }
  }

  private mutating func beginSummaryPart() {
    if summaryParts > 0 { reasoningSummary.append(contentsOf: "\n\n".utf8) }
    summaryParts += 1
  }

  /// Deltas of one item come in a row nearly always: the set is touched once per item, not per delta.
  private mutating func noteStreamed(_ record: EventBatch.Record, _ batch: EventBatch) {
    let id = batch.bytes(record.fields.itemID, of: record)
    guard !id.elementsEqual(lastStreamed) || streamed.isEmpty else { return }
    lastStreamed = Array(id)
    streamed.insert(lastStreamed)
  }

  private func isStreamed(_ item: JSONValue) -> Bool {
    streamed.contains(item["id"]?.utf8 ?? [])
  }

  // MARK: Calls

  private mutating func addCall(_ item: JSONValue, outputIndex: Int64) {
    guard let kind = Self.callKind(item) else { return }
    var call = ToolCall(kind: kind)
    call.outputIndex = outputIndex
    call.fill(from: item)
    let place = calls.lastIndex { $0.outputIndex <= outputIndex }.map { $0 + 1 } ?? 0
    calls.insert(call, at: place)
  }

  private mutating func completeCall(_ item: JSONValue, outputIndex: Int64) {
    let callID = item["call_id"]?.string ?? ""
    if !calls.contains(where: { !$0.isComplete && $0.callID == callID }) {
      addCall(item, outputIndex: outputIndex)
    }
    guard let index = calls.firstIndex(where: { !$0.isComplete && $0.callID == callID }) else {
      return
    }
    calls[index].fill(from: item)
    calls[index].item = Array(item.bytes)
    calls[index].isComplete = true
  }

  private func callIndex(of record: EventBatch.Record, _ batch: EventBatch) -> Int? {
    let id = batch.bytes(record.fields.itemID, of: record)
    return calls.lastIndex { !$0.isComplete && $0.itemID.utf8.elementsEqual(id) }
      ?? calls.lastIndex { !$0.isComplete && $0.outputIndex == record.fields.outputIndex }
  }

  private static func callKind(_ item: JSONValue) -> ToolCall.Kind? {
    switch item["type"]?.string {
    case "function_call": .function
    case "custom_tool_call": .custom
    default: nil
    }
  }
}

extension ToolCall {
  fileprivate mutating func fill(from item: JSONValue) {
    itemID = item["id"]?.string ?? itemID
    callID = item["call_id"]?.string ?? callID
    name = item["name"]?.string ?? name
    let whole = item[kind == .function ? "arguments" : "input"]?.utf8 ?? []
    if !whole.isEmpty { arguments = whole }
  }
}
