import RWSTokens

/// Counts tokens and says how long requests take. Shared by all connections of a server, on its one thread.
package final class RequestMeter {
  let counter: TokenCounter
  private let model: CostModel
  private var queue: WorkQueue
  private var prompts = PromptCache()

  package init(_ vocabulary: Vocabulary? = nil, _ model: CostModel = CostModel()) {
    counter = TokenCounter(vocabulary)
    self.model = model
    queue = WorkQueue(workers: model.workers)
  }

  func cost(of work: RequestWork, now: Int64) -> RequestCost {
    var cost = model.cost(of: work)
    cost.queue = queue.wait(for: cost.work, now: now)
    return cost
  }

  func unreadTokens(of context: Context, settings: [[UInt8]], settingsTokens: Int) -> Int {
    guard model.prefillTokenNanoseconds > 0 else { return 0 }
    return prompts.unreadTokens(of: context, settings: settings, settingsTokens: settingsTokens)
  }

  /// The model has read it, or written it.
  func noteRead(_ context: Context, settings: [[UInt8]]) {
    if model.prefillTokenNanoseconds > 0 { prompts.note(context, settings: settings) }
  }
}
