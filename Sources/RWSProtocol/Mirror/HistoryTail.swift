import RWSJSON

/// The end of a history in the caller's own form.
struct HistoryTail: Sendable {
  struct Item: Sendable {
    /// Where it lies in `text`.
    let range: Range<Int>
    let value: JSONValue
    let kind: ReplayItem.Kind
  }

  let boundary: History.Boundary
  /// From the boundary on, what separates the items included.
  let text: [UInt8]
  let items: [Item]
}
