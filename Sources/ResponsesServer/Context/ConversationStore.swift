import RWSJSON

/// What `/v1/conversations` keeps: lists of items that responses are asked with and added to.
package final class ConversationStore {
  struct Conversation {
    let id: String
    let createdAt: Int64
    /// An object, as JSON.
    var metadata: [UInt8]
    /// Each has an id.
    fileprivate(set) var items: [Item] = []
  }

  private var conversations: Bounded<Conversation>

  init(conversationsMax: Int) {
    conversations = Bounded(capacity: conversationsMax)
  }

  func find(_ id: String) throws(RequestError) -> Conversation {
    guard let found = conversations[id] else {
      throw .invalid("Conversation with id '\(id)' not found.", param: "conversation", status: 404)
    }
    return found
  }

  func keep(_ conversation: Conversation) { conversations.insert(conversation, for: conversation.id) }

  /// False if there was none.
  func delete(_ id: String) -> Bool { conversations.remove(id) }

  /// Returns them as they were added: with ids. Of a conversation that is gone, nothing is kept.
  @discardableResult
  func add(_ items: [Item], to id: String, ids: inout IDSource) -> [Item] {
    guard var conversation = conversations[id] else { return [] }
    let known = Set(conversation.items.compactMap(\.id))
    let new = items.filter { $0.id.map { !known.contains($0) } ?? true }
      .map { $0.named(ids.next("item")) }
    conversation.items += new
    keep(conversation)
    return new
  }

  func remove(_ item: String, from id: String) throws(RequestError) -> Conversation {
    var conversation = try find(id)
    guard let place = conversation.items.firstIndex(where: { $0.id == item }) else {
      throw .conversationItemNotFound(item)
    }
    conversation.items.remove(at: place)
    keep(conversation)
    return conversation
  }
}

extension RequestError {
  static func conversationItemNotFound(_ id: String) -> RequestError {
    invalid("Item with id '\(id)' not found in this conversation.", status: 404)
  }
}

extension Item {
  /// With an id, where it has none.
  fileprivate func named(_ name: String) -> Item {
    guard id == nil else { return self }
    var writer = JSONWriter(reservingCapacity: json.count + name.utf8.count + 10)
    writer.beginObject()
    writer.member("id", name)
    for member in (try? JSONValue(parsing: json))?.members ?? [] where member.key != "id" {
      writer.member(member.key, member.value)
    }
    writer.endObject()
    return Item(
      kind: kind, json: writer.bytes, id: name, callID: callID, name: self.name, text: text,
      hasCiphertext: hasCiphertext, seal: seal, summary: summary)
  }
}
