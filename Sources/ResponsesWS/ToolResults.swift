import RWSClient

/// What the calls of a run came to, by call id, in the order of their ends.
///
/// It outlives failures: given to another run, or kept by one that is resumed, no call that is in it runs again. A call
/// is the same if id, name and arguments are: there are servers that give the same id to different calls.
public struct ToolResults: Sendable {
  private struct Entry: Sendable {
    let result: ToolResult
    /// The response that it belongs to did not become part of the chain.
    var isLost = false
  }

  private var entries: [Entry] = []
  private var indices: [String: Int] = [:]
  private var recentlyLost: [Int] = []

  public init() {}

  public var all: [ToolResult] { entries.map(\.result) }
  public var count: Int { entries.count }
  public subscript(callID: String) -> ToolResult? { indices[callID].map { entries[$0].result } }

  /// Calls that ran, though the responses that made them failed or were sent again: the model knows nothing of them.
  public var effects: [ToolResult] {
    entries.filter { $0.isLost && $0.result.ending.hadEffects }.map(\.result)
  }

  // MARK: For runs

  func seen(_ call: ToolCall) -> ToolResult? {
    guard let result = self[call.callID], result.call.name == call.name,
      result.call.arguments == call.arguments
    else { return nil }
    return result
  }

  /// What happened in vain just before the turn that runs.
  var recentEffects: [ToolResult] {
    recentlyLost.map { entries[$0].result }.filter(\.ending.hadEffects)
  }

  mutating func add(_ result: ToolResult) {
    indices[result.call.callID] = entries.count
    entries.append(Entry(result: result))
  }

  mutating func lose(_ callIDs: some Sequence<String>) {
    for index in callIDs.compactMap({ indices[$0] }).sorted() where !entries[index].isLost {
      entries[index].isLost = true
      recentlyLost.append(index)
    }
  }

  mutating func keep(_ callIDs: some Sequence<String>) {
    for index in callIDs.compactMap({ indices[$0] }) { entries[index].isLost = false }
    recentlyLost = []
  }
}
