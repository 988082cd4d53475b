/// What the service rejects in the input items of a request. (Calls without output, outputs without call and
/// doubled items are `Context`'s to reject: it knows what it holds.)
struct RequestValidation {
  let store: ResponseStore
  let requestIsStored: Bool

  /// The item itself, or the one that it names: items that the client does not send whole exist only with
  /// `store: true`.
  func resolve(_ item: Item) throws(RequestError) -> Item {
    switch item.kind {
    case .reference:
      return try stored(item)
    case .reasoning where !item.hasCiphertext:
      return try stored(item)
    case .reasoning, .message, .call, .output, .compaction, .compactionTrigger, .other:
      return item
    }
  }

  private func stored(_ item: Item) throws(RequestError) -> Item {
    let id = item.id ?? ""
    guard requestIsStored, let found = store.item(id) else {
      throw .itemNotFound(id, store: requestIsStored)
    }
    return found
  }

  /// A reasoning item belongs to what the model said or called next. Several in a row share that.
  func checkReasoningIsFollowed(in input: [Item]) throws(RequestError) {
    for (index, item) in input.enumerated() where item.kind == .reasoning {
      let next = input[(index + 1)...].first { $0.kind != .reasoning }
      let isFollowed =
        switch next?.kind {
        case .message(let role): role == .assistant
        case .call, .reference, .compaction, .other: true
        case .output, .reasoning, .compactionTrigger, nil: false
        }
      guard isFollowed else {
        throw .invalid(
          "Item '\(item.id ?? "")' of type 'reasoning' was provided without its required following"
            + " item.", param: "input")
      }
    }
  }

  /// An item that this server made after reasoning, named by its id, needs that reasoning before it.
  func checkReasoning(requiredBy item: Item, isIn context: Context) throws(RequestError) {
    guard let id = item.id, !context.contains(itemID: id),
      let reasoning = store.reasoning(requiredBy: id), !context.contains(itemID: reasoning)
    else { return }
    let type =
      switch item.kind {
      case .message: "message"
      case .call(let family): family.rawValue
      case .output, .reasoning, .reference, .compaction, .compactionTrigger, .other: "item"
      }
    throw .invalid(
      "Item '\(id)' of type '\(type)' was provided without its required 'reasoning' item:"
        + " '\(reasoning)'.", param: "input")
  }
}
