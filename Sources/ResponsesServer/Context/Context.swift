/// Everything that the model sees besides instructions and tools: the items of a chain, in order, and an
/// index of them.
package struct Context: Sendable {
  package private(set) var items: [Item] = []
  /// Of each item.
  private(set) var itemTokens: [Int] = []
  package private(set) var tokens = 0
  /// Calls that have no output yet, oldest first.
  package private(set) var openCalls: [OpenCall] = []
  /// Of what the model has read so far, without reasoning: what a later reasoning item follows from.
  private(set) var digest = Digest()
  private var itemIDs: Set<String> = []
  private var callIDs: Set<String> = []

  package struct OpenCall: Equatable, Sendable {
    package let id: String
    package let family: CallFamily
  }

  package init() {}

  package func contains(itemID: String) -> Bool { itemIDs.contains(itemID) }

  /// Adds an item that the server made, or that passed `RequestValidation`. `count`: its tokens.
  package mutating func append(_ item: Item, tokens count: Int) throws(RequestError) {
    if let id = item.id, itemIDs.contains(id) {
      throw .invalid(
        "Duplicate item found with id \(id). Remove duplicate items from your input and try again.",
        param: "input")
    }
    switch item.kind {
    case .call(let family):
      if let callID = item.callID {
        guard callIDs.insert(callID).inserted else {
          throw .invalid(
            "Duplicate item found with call_id \(callID). Remove duplicate items from your input"
              + " and try again.", param: "input")
        }
        openCalls.append(OpenCall(id: callID, family: family))
      }
    case .output(let family):
      try answer(item.callID ?? "", family)
    case .compaction:
      if item.summary?.keepsWindow == false {
        items = []
        itemTokens = []
        tokens = 0
        digest = Digest()
      }
    case .message, .reasoning, .reference, .compactionTrigger, .other:
      break
    }
    if let id = item.id { itemIDs.insert(id) }
    items.append(item)
    itemTokens.append(count)
    digest.add(item)
    tokens += count
  }

  /// A reasoning item that the model does not see. What followed from it may still be there.
  mutating func withhold(_ item: Item) {
    if let id = item.id { itemIDs.insert(id) }
  }

  private mutating func answer(_ callID: String, _ family: CallFamily) throws(RequestError) {
    if let index = openCalls.firstIndex(where: { $0.id == callID && $0.family == family }) {
      openCalls.remove(at: index)
      return
    }
    guard callIDs.contains(callID), !openCalls.contains(where: { $0.id == callID }) else {
      throw .invalid(
        "No tool call found for \(family.spoken) output with call_id \(callID).", param: "input")
    }
    throw .invalid(
      "Duplicate tool output found for call_id \(callID). Remove duplicate items from your input"
        + " and try again.", param: "input")
  }

  /// Every call is answered at once: a request that leaves one open is refused.
  package func requireAnsweredCalls() throws(RequestError) {
    guard let call = openCalls.first else { return }
    throw .invalid("No tool output found for \(call.family.spoken) \(call.id).", param: "input")
  }
}
