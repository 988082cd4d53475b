import RWSJSON

/// One server event. A small value that keeps the memory of its batch (at most one read from the
/// socket) alive; take out what you need if you keep many for long.
public struct Event: Sendable {
  package let batch: EventBatch
  package let index: Int

  package init(batch: EventBatch, index: Int) {
    self.batch = batch
    self.index = index
  }

  package var record: EventBatch.Record { batch.records[index] }

  public var kind: EventKind { record.fields.kind }
  /// `response.output_text.delta`, …
  public var type: String { text(record.fields.type) }
  /// nil: the event has none. Servers may leave it out or count oddly; never needed for order.
  public var sequenceNumber: Int64? { nonnegative(record.fields.sequenceNumber) }
  public var outputIndex: Int64? { nonnegative(record.fields.outputIndex) }
  /// The decoded `delta` string; empty if there is none.
  public var delta: String { String(decoding: batch.delta(record), as: UTF8.self) }
  /// Of delta and part events; empty if there is none.
  public var itemID: String { text(record.fields.itemID) }
  /// The lane; empty: the default lane.
  public var streamID: String { text(record.fields.streamID) }
  /// JSON of the whole event as received.
  public var json: String { String(decoding: batch.json(record), as: UTF8.self) }
  /// JSON of the `item` member; empty if there is none.
  public var item: String { raw(record.fields.item) }
  /// JSON of the `response` member; empty if there is none.
  public var response: String { raw(record.fields.response) }

  /// The bytes of `json`, without a copy; valid inside `body`.
  public func withJSON<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try body(batch.json(record))
  }

  /// The bytes of `delta`, without a copy; valid inside `body`.
  public func withDelta<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows
    -> Result
  {
    try body(batch.delta(record))
  }

  private func raw(_ span: EventSpan) -> String {
    String(decoding: batch.bytes(span, of: record), as: UTF8.self)
  }

  private func text(_ string: EventString) -> String {
    string.string(in: batch.json(record)) ?? ""
  }

  private func nonnegative(_ number: Int64) -> Int64? { number < 0 ? nil : number }
}
