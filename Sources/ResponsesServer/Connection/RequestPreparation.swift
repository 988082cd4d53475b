/// What a request comes to before a model sees it: its parent, its whole context, and what that costs.
struct RequestPreparation {
  let store: ResponseStore
  let configuration: ServerConfiguration
  let meter: RequestMeter

  struct Prepared {
    let built: ContextBuilder.Built
    let settings: [[UInt8]]
    let settingsTokens: Int
    /// The input's part.
    let usage: Usage
    let work: RequestWork
  }

  /// With what it has from its parent, where the dialect is such.
  func complete(_ given: ResponseRequest, cache: ResponseCache) -> ResponseRequest {
    guard configuration.dialect.has(.sticksToInstructions),
      let parent = try? findParent(of: given, in: cache)
    else { return given }
    var request = given
    request.inheritInstructions(of: parent.response)
    return request
  }

  func prepare(
    _ request: ResponseRequest, cache: ResponseCache, steered: [Item] = []
  ) throws(RequestError) -> Prepared {
    let parent = try findParent(of: request, in: cache)
    var past = parent?.response.context
    if past == nil { past = try conversation(of: request) }
    let settings = request.renderedSettings
    // What was rendered with other settings has to be rendered again.
    let isRendered = parent.map { $0.isInCache && $0.response.renderedSettings == settings } ?? false
    let built = try ContextBuilder(store: store, request: request, counter: meter.counter)
      .build(parent: past, steered: steered)
    var work = RequestWork(bytes: request.receivedBytes)
    work.items = max(request["input"]?.elements.count ?? 0, request["input"]?.string == nil ? 0 : 1)
    let settingsTokens: Int
    if let parent, isRendered {
      settingsTokens = parent.response.settingsTokens
    } else {
      settingsTokens = meter.counter.countSettings(of: request)
      work.tokens = settingsTokens
      for item in past?.items ?? [] {
        work.loadedItems += 1
        work.loadedTokens += meter.counter.count(item)
      }
    }
    // Less than before if the new input holds a compaction.
    work.tokens += max(0, built.context.tokens - (past?.tokens ?? 0))
    work.prefillTokens = meter.unreadTokens(
      of: built.context, settings: settings, settingsTokens: settingsTokens)
    var usage = Usage(input: settingsTokens + built.context.tokens)
    guard usage.input <= configuration.contextWindow else {
      throw .invalid(
        "Your input exceeds the context window of this model. Please adjust your input and try"
          + " again.", code: "context_length_exceeded", param: "input")
    }
    if let parent, isRendered {
      // A compaction in the new input leaves less than was cached.
      usage.cached = min(parent.response.tokens, usage.input)
    }
    return Prepared(
      built: built, settings: settings, settingsTokens: settingsTokens, usage: usage, work: work)
  }

  private func conversation(of request: ResponseRequest) throws(RequestError) -> Context? {
    guard let id = request.conversationID else { return nil }
    var context = Context()
    for item in try store.conversations.find(id).items {
      try context.append(item, tokens: meter.counter.count(item))
    }
    return context
  }

  private func findParent(
    of request: ResponseRequest, in cache: ResponseCache
  ) throws(RequestError) -> (response: CachedResponse, isInCache: Bool)? {
    guard let id = request.previousResponseID else { return nil }
    if let response = cache.response(id),
      !configuration.dialect.has(.chainsStoredOnly) || store.response(id) != nil
    {
      return (response, true)
    }
    if !configuration.zeroDataRetention, let response = store.response(id) {
      return (response, false)
    }
    if configuration.dialect.has(.ignoresUnknownIDs) { return nil }
    throw .previousResponseNotFound(id)
  }
}
