import RWSJSON
import RWSWebSocket

/// `/v1/conversations` and what is below.
struct ConversationService {
  enum Call: Equatable {
    case create
    case retrieve(String)
    case update(String)
    case delete(String)
    case list(String, QueryString)
    case add(String)
    case retrieveItem(String, String)
    case deleteItem(String, String)
  }

  let store: ConversationStore
  let unixSeconds: Int64

  private static let itemsMax = 20

  func answer(
    _ call: Call, _ body: [UInt8], ids: inout IDSource
  ) throws(RequestError) -> HTTPAnswer {
    switch call {
    case .create: return try create(body, ids: &ids)
    case .retrieve(let id): return Self.json(try store.find(id))
    case .update(let id):
      var conversation = try store.find(id)
      conversation.metadata = try Self.metadata(try HTTPExchange.fields(body))
      store.keep(conversation)
      return Self.json(conversation)
    case .delete(let id):
      _ = try store.find(id)
      _ = store.delete(id)
      return HTTPAnswer(
        status: 200, json: #"{"id":"\#(id)","object":"conversation.deleted","deleted":true}"#)
    case .list(let id, let query): return try ItemList.page(of: try store.find(id).items[...], query)
    case .add(let id):
      _ = try store.find(id)
      let items = try Self.items(try HTTPExchange.fields(body))
      return ItemList.whole(store.add(items, to: id, ids: &ids))
    case .retrieveItem(let id, let item):
      guard let found = try store.find(id).items.first(where: { $0.id == item }) else {
        throw .conversationItemNotFound(item)
      }
      var writer = JSONWriter()
      ListedItem(found, at: 0).write(to: &writer)
      return HTTPAnswer(json: writer.bytes)
    case .deleteItem(let id, let item): return Self.json(try store.remove(item, from: id))
    }
  }

  private func create(_ body: [UInt8], ids: inout IDSource) throws(RequestError) -> HTTPAnswer {
    let fields = body.isEmpty ? [:] : try HTTPExchange.fields(body)
    let items = try Self.items(fields)
    let conversation = ConversationStore.Conversation(
      id: ids.next("conv"), createdAt: unixSeconds, metadata: try Self.metadata(fields))
    store.keep(conversation)
    store.add(items, to: conversation.id, ids: &ids)
    return Self.json(conversation)
  }

  private static func items(_ fields: [String: JSONValue]) throws(RequestError) -> [Item] {
    guard let list = fields["items"], !list.isNull else { return [] }
    guard list.kind == .array else {
      throw .wrongType("items", expected: "an array", got: list.spokenKind)
    }
    let elements = list.elements
    guard elements.count <= itemsMax else {
      throw .invalid(
        "Invalid 'items': array too long. Expected an array with maximum length \(itemsMax), but got"
          + " an array with length \(elements.count) instead.", code: "array_above_max_length",
        param: "items")
    }
    var items: [Item] = []
    for (index, element) in elements.enumerated() {
      items.append(try Item.parse(element, path: "items[\(index)]"))
    }
    return items
  }

  private static func metadata(_ fields: [String: JSONValue]) throws(RequestError) -> [UInt8] {
    guard let metadata = fields["metadata"], !metadata.isNull else { return Array("{}".utf8) }
    guard metadata.kind == .object else {
      throw .wrongType("metadata", expected: "an object", got: metadata.spokenKind)
    }
    try SettingCheck.checkMetadata(metadata)
    return Array(metadata.bytes)
  }

  private static func json(_ conversation: ConversationStore.Conversation) -> HTTPAnswer {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("id", conversation.id)
    writer.member("object", "conversation")
    writer.member("created_at", conversation.createdAt)
    writer.member("metadata", raw: conversation.metadata)
    writer.endObject()
    return HTTPAnswer(json: writer.bytes)
  }
}

extension HTTPRouter {
  /// nil: not below `/v1/conversations`.
  static func conversationCalls(
    of path: String, _ query: QueryString
  ) -> KeyValuePairs<String, Decision>? {
    let root = "/v1/conversations"
    if path == root { return ["POST": .conversation(.create)] }
    if let id = name(in: path, after: root + "/") {
      return [
        "GET": .conversation(.retrieve(id)), "POST": .conversation(.update(id)),
        "DELETE": .conversation(.delete(id)),
      ]
    }
    if let id = name(in: path, after: root + "/", before: "/items") {
      return ["GET": .conversation(.list(id, query)), "POST": .conversation(.add(id))]
    }
    let steps = path.split(separator: "/", omittingEmptySubsequences: false)
    guard steps.count == 6, path.hasPrefix(root + "/"), steps[4] == "items", !steps[5].isEmpty else {
      return nil
    }
    let (id, item) = (QueryString.decoded(steps[3]), QueryString.decoded(steps[5]))
    return [
      "GET": .conversation(.retrieveItem(id, item)),
      "DELETE": .conversation(.deleteItem(id, item)),
    ]
  }
}
