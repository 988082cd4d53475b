/// Builds the whole context of one request, item by item: what its parent saw and said, then its own input.
struct ContextBuilder {
  let store: ResponseStore
  /// `store: true`: items may be named by id.
  let requestIsStored: Bool

  func build(parent: Context?, input: [Item]) throws(RequestError) -> Context {
    let rules = RequestValidation(store: store, requestIsStored: requestIsStored)
    try rules.checkReasoningIsFollowed(in: input)
    var context = parent ?? Context()
    for item in input {
      let resolved = try rules.resolve(item)
      try rules.checkReasoning(requiredBy: resolved, isIn: context)
      try context.append(resolved)
    }
    try context.requireAnsweredCalls()
    return context
  }
}
