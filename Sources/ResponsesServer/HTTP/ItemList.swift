import RWSJSON
import RWSWebSocket

/// Lists of items: what the model saw before it answered (`/v1/responses/{id}/input_items`), and what a
/// conversation holds.
enum ItemList {
  private static let limits: ClosedRange<Int> = 1...100

  static func page(
    of items: ArraySlice<Item>, _ query: QueryString
  ) throws(RequestError) -> HTTPAnswer {
    var listed = items.enumerated().map { ListedItem($0.element, at: $0.offset) }
    switch query["order"] ?? "desc" {
    case "desc": listed.reverse()
    case "asc": break
    case let order:
      throw .invalid(
        "Invalid value: '\(order)'. Supported values are: 'asc' and 'desc'.", code: "invalid_value",
        param: "order")
    }
    if let after = query["after"] {
      guard let place = listed.firstIndex(where: { $0.id == after }) else {
        throw .invalid("Item with id '\(after)' not found.", param: "after", status: 404)
      }
      listed.removeSubrange(...place)
    }
    let limit = try limit(query["limit"])
    return HTTPAnswer(json: json(listed.prefix(limit), hasMore: listed.count > limit))
  }

  /// All of them, in their order.
  static func whole(_ items: [Item]) -> HTTPAnswer {
    let listed = items.enumerated().map { ListedItem($0.element, at: $0.offset) }
    return HTTPAnswer(json: json(listed[...], hasMore: false))
  }

  private static func limit(_ text: String?) throws(RequestError) -> Int {
    guard let text else { return 20 }
    guard let limit = Int(text), limits.contains(limit) else {
      throw .invalid(
        "Invalid 'limit': expected an integer from \(limits.lowerBound) to \(limits.upperBound), but"
          + " got '\(text)' instead.", code: "invalid_value", param: "limit")
    }
    return limit
  }

  private static func json(_ page: ArraySlice<ListedItem>, hasMore: Bool) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("object", "list")
    writer.key("data")
    writer.beginArray()
    for item in page { item.write(to: &writer) }
    writer.endArray()
    writer.member("first_id", page.first?.id ?? "")
    writer.member("last_id", page.last?.id ?? "")
    writer.member("has_more", hasMore)
    writer.endObject()
    return writer.bytes
  }
}
