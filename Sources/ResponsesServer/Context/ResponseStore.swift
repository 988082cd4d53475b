/// A finished response as a later one can continue it: its whole context, its own output included.
struct CachedResponse: Sendable {
  let id: String
  let context: Context
  /// What its prefix was rendered with, and how many tokens that took (settings and context).
  let renderedSettings: [[UInt8]]
  let settingsTokens: Int
  let tokens: Int
}

/// What outlives a connection: responses made with `store: true`, their items, and which item needs which
/// reasoning. Bounded, oldest out first. Shared by all connections of a server, on its one thread.
package final class ResponseStore {
  package static let responsesMax = 4096
  /// Items and pairs are kept longer than responses: a chain of many turns refers to them one by one.
  private static let itemsPerResponse = 16

  let conversations: ConversationStore
  private var responses: Bounded<Stored>
  private var items: Bounded<Item>
  private var requiredReasoning: Bounded<String>

  package init(responsesMax: Int = ResponseStore.responsesMax) {
    conversations = ConversationStore(conversationsMax: responsesMax)
    responses = Bounded(capacity: responsesMax)
    items = Bounded(capacity: responsesMax * Self.itemsPerResponse)
    requiredReasoning = Bounded(capacity: responsesMax * Self.itemsPerResponse)
  }

  private struct Stored {
    /// nil: it failed, and cannot be continued.
    let response: CachedResponse?
    let input: ArraySlice<Item>
    let json: [UInt8]
  }

  func response(_ id: String) -> CachedResponse? { responses[id]?.response }

  /// The response object, as its terminal event carried it.
  func json(_ id: String) -> [UInt8]? { responses[id]?.json }

  /// What the model saw: its parent's context and its own input.
  func input(_ id: String) -> ArraySlice<Item>? { responses[id]?.input }

  /// False if there was none.
  func delete(_ id: String) -> Bool { responses.remove(id) }

  func item(_ id: String) -> Item? { items[id] }

  /// The reasoning item that must come with the item of that id.
  func reasoning(requiredBy itemID: String) -> String? { requiredReasoning[itemID] }

  func keep(
    _ response: CachedResponse, input: ArraySlice<Item>, output: [Item], json: [UInt8]
  ) {
    responses.insert(Stored(response: response, input: input, json: json), for: response.id)
    for item in output {
      if let id = item.id { items.insert(item, for: id) }
    }
  }

  func keepFailed(_ id: String, input: ArraySlice<Item>, json: [UInt8]) {
    responses.insert(Stored(response: nil, input: input, json: json), for: id)
  }

  /// The service knows from an item's id which reasoning led to it, stored or not; this server remembers.
  func notePairs(in output: [Item]) {
    for (reasoning, next) in zip(output, output.dropFirst()) where reasoning.kind == .reasoning {
      if let reasoningID = reasoning.id, let nextID = next.id, next.kind != .reasoning {
        requiredReasoning.insert(reasoningID, for: nextID)
      }
    }
  }
}
