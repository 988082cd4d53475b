/// Builds the whole context of one request, item by item: what its parent saw and said, then its own input.
struct ContextBuilder {
  let store: ResponseStore
  let request: ResponseRequest
  let counter: TokenCounter

  struct Built {
    var context: Context
    /// Reasoning that the model does not see.
    var transformations: [InputTransformation] = []
    /// The input ends with a `compaction_trigger`.
    var isCompactionAsked = false
  }

  /// `steered`: what was steered into the parent; it comes first.
  func build(parent: Context?, steered: [Item]) throws(RequestError) -> Built {
    let rules = RequestValidation(store: store, requestIsStored: request.store)
    let input = steered + (try request.input())
    try rules.checkReasoningIsFollowed(in: input)
    var built = Built(context: parent ?? Context())
    let turnStart = request.keepsReasoningOfThisTurnOnly ? Self.lastUserMessage(in: input) : 0
    for (index, item) in input.enumerated() {
      if item.kind == .compactionTrigger {
        guard index == input.count - 1 else {
          throw .invalid(
            "A 'compaction_trigger' item must be the last item of the input.", param: "input")
        }
        built.isCompactionAsked = true
        continue
      }
      let resolved = try rules.resolve(item)
      try rules.checkReasoning(requiredBy: resolved, isIn: built.context)
      let isOfEarlierTurn = resolved.kind == .reasoning && index < turnStart
      if let reason = resolved.seal?.mismatch(request, after: built.context.digest)
        ?? (isOfEarlierTurn ? .turnBoundary : nil)
      {
        built.transformations.append(InputTransformation(id: resolved.id ?? "", reason: reason))
        built.context.withhold(resolved)
      } else {
        try built.context.append(resolved, tokens: counter.count(resolved))
      }
    }
    try built.context.requireAnsweredCalls()
    return built
  }

  /// 0: there is none, and with it no earlier turn.
  private static func lastUserMessage(in input: [Item]) -> Int {
    input.lastIndex { $0.kind == .message(.user) } ?? 0
  }
}
