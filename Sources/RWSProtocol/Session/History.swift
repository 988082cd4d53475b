import RWSJSON

/// The committed chain: every item, in order, as it would be replayed in full on a new connection
/// (protocol.md, Full replay), and the calls that the next turn has to answer.
package struct History: Sendable {
  package private(set) var items = ItemList()
  /// `call_id`s of the last committed response that its continuation must answer, in order.
  package private(set) var openCalls: [String] = []

  package init() {}

  /// Ids and boundary move together: call only when the turn commits.
  package mutating func commit(input: ItemList, output: [JSONValue]) {
    items.append(contentsOf: input)
    openCalls = Self.openCalls(of: output)
    for item in output { items.append(ReplayItem.bytes(of: item)) }
  }

  package func unanswered(by input: TurnInput) -> [String] {
    openCalls.filter { !input.answeredCalls.contains($0) }
  }

  /// Function and custom tool calls are the client's to answer; other kinds of call may have been
  /// run by the server, which tells for itself.
  private static func openCalls(of output: [JSONValue]) -> [String] {
    output.compactMap { item in
      switch item["type"]?.string {
      case "function_call", "custom_tool_call": item["call_id"]?.string
      default: nil
      }
    }
  }
}
