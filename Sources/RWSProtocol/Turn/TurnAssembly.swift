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
  /// JSON; empty: none.
  package private(set) var inputTransformations: [UInt8] = []
  package private(set) var calls: [ToolCall] = []
  /// JSON of the finished output items, in output order.
  package var items: [[UInt8]] { finished.map(\.json) }
  package var itemCount: Int { finished.count }
  package func item(at index: Int) -> [UInt8]? {
    finished.indices.contains(index) ? finished[index].json : nil
  }

  private var finished: [(outputIndex: Int64, json: [UInt8])] = []
  private var streamed = StreamedItems()
  /// Of `calls`, those that are not complete.
  private var openCalls = 0
  private var summaryParts = 0

  package init() {}

  package mutating func apply(_ batch: EventBatch) {
    for record in batch.records { apply(record, batch) }
  }

  private mutating func apply(_ record: EventBatch.Record, _ batch: EventBatch) {
    switch record.fields.kind {
    case .outputTextDelta:
      Surrogates.append(batch.delta(record), to: &text)
      streamed.note(record, in: batch)
    case .refusalDelta:
      Surrogates.append(batch.delta(record), to: &refusal)
      streamed.note(record, in: batch)
    case .reasoningSummaryPartAdded:
      beginSummaryPart()
    case .reasoningSummaryTextDelta:
      if summaryParts == 0 { beginSummaryPart() }
      Surrogates.append(batch.delta(record), to: &reasoningSummary)
      streamed.note(record, in: batch)
    case .functionCallArgumentsDelta, .customToolCallInputDelta:
      if let index = callIndex(of: record, batch) {
        Surrogates.append(batch.delta(record), to: &calls[index].argumentBytes)
      }
    case .outputItemAdded:
      if let item = record.fields.item.value(in: batch.json(record)) {
        _ = addCall(item, outputIndex: record.fields.outputIndex)
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
      .reasoningSummaryTextDone, .reasoningTextDelta, .reasoningTextDone:
      break
    case .notice:
      let type = batch.bytes(record.fields.type, of: record)
      if Notice.beginsAnew(type) { self = TurnAssembly() }
      if Notice.bringsResponse(type) {
        // All of it, whatever of it was seen.
        self = TurnAssembly()
        end(batch.bytes(record.fields.response, of: record))
      }
    }
  }

  private mutating func end(_ text: UnsafeRawBufferPointer) {
    let fields = ResponseFields(text)
    if fields.id != nil { responseID = fields.idText }
    incompleteReason = fields.incompleteReason ?? ""
    usage = fields.usage
    inputTransformations = fields.inputTransformations ?? []
    response = Array(text)
    guard finished.isEmpty else { return }
    for (index, item) in fields.output(in: text).enumerated() {
      finish(item, outputIndex: Int64(index))
    }
  }

  // MARK: Items

  private mutating func finish(_ item: JSONValue, outputIndex: Int64) {
    let place = finished.lastIndex { $0.outputIndex <= outputIndex }.map { $0 + 1 } ?? 0
    finished.insert((outputIndex, Array(item.bytes)), at: place)
    switch item["type"]?.string {
    case "message" where !streamed.contains(item, outputIndex):
      for part in item["content"]?.elements ?? [] {
        text.append(contentsOf: part["text"]?.utf8 ?? [])
        refusal.append(contentsOf: part["refusal"]?.utf8 ?? [])
      }
    case "reasoning" where !streamed.contains(item, outputIndex):
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

  // MARK: Calls

  /// Where it is now; nil if the item is no call for the caller.
  private mutating func addCall(_ item: JSONValue, outputIndex: Int64) -> Int? {
    guard let kind = Self.callKind(item) else { return nil }
    var call = ToolCall(kind: kind)
    call.outputIndex = outputIndex
    call.fill(from: item)
    let place = calls.lastIndex { $0.outputIndex <= outputIndex }.map { $0 + 1 } ?? 0
    calls.insert(call, at: place)
    openCalls += 1
    return place
  }

  private mutating func completeCall(_ item: JSONValue, outputIndex: Int64) {
    let callID = item["call_id"]?.string ?? ""
    // Without the count a response of many calls would look through all of them at each.
    let known = openCalls == 0 ? nil : calls.lastIndex { !$0.isComplete && $0.callID == callID }
    guard let index = known ?? addCall(item, outputIndex: outputIndex) else { return }
    calls[index].fill(from: item)
    calls[index].itemBytes = Array(item.bytes)
    calls[index].isComplete = true
    openCalls -= 1
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

/// The items whose text, refusal or summary came as deltas, by id and by place: gateways leave out, or
/// change, either of them.
private struct StreamedItems: Sendable {
  private var ids: Set<[UInt8]> = []
  private var indices: Set<Int64> = []
  /// Some deltas named no item: any may have been meant.
  private var hasUnnamed = false
  private var lastIndex: Int64 = -1

  /// Deltas of one item come in a row nearly always: the sets are touched once per item, not per delta.
  mutating func note(_ record: EventBatch.Record, in batch: EventBatch) {
    let index = record.fields.outputIndex
    guard index < 0 || index != lastIndex else { return }
    lastIndex = index
    if index >= 0 { indices.insert(index) }
    if record.fields.itemID.isPresent {
      ids.insert(record.fields.itemID.decoded(in: batch.json(record)))
    } else if index < 0 {
      hasUnnamed = true
    }
  }

  func contains(_ item: JSONValue, _ outputIndex: Int64) -> Bool {
    hasUnnamed || indices.contains(outputIndex) || ids.contains(item["id"]?.utf8 ?? [])
  }
}

extension ToolCall {
  fileprivate mutating func fill(from item: JSONValue) {
    itemID = item["id"]?.string ?? itemID
    callID = item["call_id"]?.string ?? callID
    name = item["name"]?.string ?? name
    let whole = item[kind == .function ? "arguments" : "input"]?.utf8 ?? []
    if !whole.isEmpty { argumentBytes = whole }
  }
}
