import RWSJSON

/// What a caller that gives its whole history with each turn, as over HTTP, has added since the last turn.
/// Worked out on the calling thread against a snapshot of the mirror: what is unchanged costs a comparison
/// of bytes, what another JSON library wrote anew a comparison of values, and only what is new is copied.
package struct WholeHistory: Sendable {
  enum Basis: Sendable {
    /// It begins with the mirror's history as it was then; its end may stand in the caller's own form.
    case same(generation: UInt64, tail: HistoryTail?)
    /// It differs at this path.
    case other(path: String)
  }

  let basis: Basis
  /// What is new; all of it where the history differs.
  let input: TurnInput

  /// - Parameter json: A JSON array of all items.
  package init(_ json: UnsafeRawBufferPointer, against history: History) throws(ResponsesError) {
    do {
      try self.init(checked: json, history)
    } catch let error as ResponsesError {
      throw error
    } catch {
      throw ResponsesError(.invalidJSON, "The history is not a JSON array of items: \(error).")
    }
  }

  private init(checked json: UnsafeRawBufferPointer, _ history: History) throws {
    var cursor = JSONCursor(json)
    try cursor.enterArray()
    // The mirror's log is the inside of an array; offsets in it count from here.
    let start = cursor.offset
    let inside = UnsafeRawBufferPointer(rebasing: json[start...])
    let same = history.isEmpty ? 0 : history.log.commonPrefix(inside)
    if same == history.log.count {
      var rest = JSONCursor(json, at: start + same)
      if history.isEmpty || (try? rest.nextElement()) != nil {
        basis = .same(generation: history.generation, tail: nil)
        input = try Self.newItems(json, after: history.isEmpty ? nil : start + same)
        return
      }
    }
    let boundary = history.boundary(before: same)
    switch try Self.compare(json, start, history, from: boundary) {
    case .same(let end, let items):
      let text = Array(inside[boundary.offset..<end])
      basis = .same(
        generation: history.generation,
        tail: HistoryTail(boundary: boundary, text: text, items: items))
      input = try Self.newItems(json, after: start + end)
    case .different(let path):
      basis = .other(path: path)
      input = try TurnInput(json: Array(json))
    }
  }

  /// The items behind `offset`, where an item ends; nil: all of them.
  private static func newItems(_ json: UnsafeRawBufferPointer, after offset: Int?) throws -> TurnInput {
    guard let offset else { return try TurnInput(json: Array(json)) }
    var cursor = JSONCursor(json, at: offset)
    guard try cursor.nextElement() else {
      try cursor.finish()
      return TurnInput()
    }
    return try TurnInput(json: [UInt8(ascii: "[")] + json[cursor.offset...])
  }

  private enum Comparison {
    case same(end: Int, items: [HistoryTail.Item])
    case different(path: String)
  }

  /// Item by item from `boundary`, up to which the bytes are the same.
  private static func compare(
    _ json: UnsafeRawBufferPointer, _ start: Int, _ history: History, from boundary: History.Boundary
  ) throws -> Comparison {
    let isFirst = boundary.itemIndex == 0
    let tail = history.log.bytes(boundary.offset..<history.log.count)
    let ours = (isFirst ? [UInt8(ascii: "[")] : []) + tail + [UInt8(ascii: "]")]
    return try ours.withUnsafeBytes { ours in
      var mine = JSONCursor(ours)
      var theirs = JSONCursor(json, at: isFirst ? 0 : start + boundary.offset)
      if isFirst {
        try mine.enterArray()
        try theirs.enterArray()
      }
      var items: [HistoryTail.Item] = []
      var index = boundary.itemIndex
      var end = boundary.offset
      while try mine.nextElement() {
        let span = try mine.takeValue()
        guard try theirs.nextElement() else { return .different(path: "input[\(index)]") }
        let theirSpan = try theirs.takeValue()
        let theirItem = try JSONValue(parsing: theirSpan.bytes(in: theirs.text))
        var kind = history.kind(at: boundary.offset + span.start - (isFirst ? 1 : 0))
        if !span.bytes(in: mine.text).elementsEqual(theirSpan.bytes(in: theirs.text)) {
          let item = try JSONValue(parsing: span.bytes(in: mine.text))
          if let path = ItemEquality.difference(theirItem, item) {
            return .different(path: path.isEmpty ? "input[\(index)]" : "input[\(index)].\(path)")
          }
          kind = ReplayItem.kind(of: theirItem, like: kind)
        }
        let offset = start + boundary.offset
        items.append(
          HistoryTail.Item(
            range: (theirSpan.start - offset)..<(theirSpan.end - offset), value: theirItem,
            kind: kind))
        end = theirSpan.end - start
        index += 1
      }
      return .same(end: end, items: items)
    }
  }
}
