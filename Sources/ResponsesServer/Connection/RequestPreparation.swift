/// What a request comes to before a model sees it: its parent, its whole context, and what that costs.
struct RequestPreparation {
  let store: ResponseStore
  let configuration: ServerConfiguration

  struct Prepared {
    let built: ContextBuilder.Built
    /// The input's part.
    let usage: Usage
  }

  func prepare(
    _ request: ResponseRequest, cache: ResponseCache, steered: [Item] = []
  ) throws(RequestError) -> Prepared {
    let parent = try findParent(of: request, in: cache)
    let built = try ContextBuilder(store: store, request: request)
      .build(parent: parent?.response.context, steered: steered)
    var usage = Usage(input: request.settingsTokens + built.context.tokens)
    guard usage.input <= configuration.contextWindow else {
      throw .invalid(
        "Your input exceeds the context window of this model. Please adjust your input and try"
          + " again.", code: "context_length_exceeded", param: "input")
    }
    if let parent, parent.isInCache,
      parent.response.renderedSettings == request.renderedSettings
    {
      // A compaction in the new input leaves less than was cached.
      usage.cached = min(parent.response.tokens, usage.input)
    }
    return Prepared(built: built, usage: usage)
  }

  private func findParent(
    of request: ResponseRequest, in cache: ResponseCache
  ) throws(RequestError) -> (response: CachedResponse, isInCache: Bool)? {
    guard let id = request.previousResponseID else { return nil }
    if let response = cache.response(id) { return (response, true) }
    if !configuration.zeroDataRetention, let response = store.response(id) {
      return (response, false)
    }
    if configuration.dialect.has(.ignoresUnknownIDs) { return nil }
    throw .previousResponseNotFound(id)
  }
}
