/// What the server has to do for one request before it can answer. It follows from what the request carries
/// and from what the server holds where it arrives; the transport is not asked.
struct RequestWork: Equatable {
  /// Of the body: to be read and checked.
  var bytes = 0
  /// Of the input: to be checked.
  var items = 0
  /// Of settings and input, as far as nothing that the connection holds has them rendered already.
  var tokens = 0
  /// Of a parent that the connection does not hold rendered: items to be fetched, tokens to be made again.
  var loadedItems = 0
  var loadedTokens = 0
  /// What the model has not read before, over whatever connection.
  var prefillTokens = 0
}

/// How long that takes: a pure function of the work. The unit costs are what this server's own code needs;
/// `slowness` makes them as long as those of a service that does more with the same input.
package struct CostModel: Equatable, Sendable {
  /// Of every request alike.
  package var requestNanoseconds = 0.0
  package var byteNanoseconds = 0.0
  package var itemNanoseconds = 0.0
  package var tokenNanoseconds = 0.0
  /// Of the model, not slowed.
  package var prefillTokenNanoseconds = 0.0
  package var slowness = 1.0
  /// Requests that can be checked and rendered at a time; others wait. 0: as many as come.
  package var workers = 0

  package init() {}

  func cost(of work: RequestWork) -> RequestCost {
    RequestCost(
      request: Self.whole(requestNanoseconds),
      validation: Self.whole(
        slowness
          * (byteNanoseconds * Double(work.bytes) + itemNanoseconds * Double(work.items))),
      tokenisation: Self.whole(slowness * tokenNanoseconds * Double(work.tokens)),
      loading: Self.whole(
        slowness
          * (itemNanoseconds * Double(work.loadedItems)
            + tokenNanoseconds * Double(work.loadedTokens))),
      prefill: Self.whole(prefillTokenNanoseconds * Double(work.prefillTokens)))
  }

  /// At most a day.
  private static func whole(_ nanoseconds: Double) -> Int64 {
    nanoseconds > 0 ? Int64(min(nanoseconds.rounded(), 86_400e9)) : 0
  }
}

/// Nanoseconds of one request.
struct RequestCost: Equatable {
  var request: Int64 = 0
  var validation: Int64 = 0
  var tokenisation: Int64 = 0
  var loading: Int64 = 0
  var prefill: Int64 = 0
  /// Waiting for a worker.
  var queue: Int64 = 0

  /// What keeps a worker busy.
  var work: Int64 { validation &+ tokenisation &+ loading }

  /// Before the response begins.
  var preparation: Int64 { queue &+ request &+ work }
}

/// When each of the workers is free again. First come, first served.
struct WorkQueue {
  private var freeAt: [Int64]

  init(workers: Int) { freeAt = Array(repeating: .min, count: max(0, workers)) }

  /// How long work that comes now has to wait.
  mutating func wait(for work: Int64, now: Int64) -> Int64 {
    guard let (index, free) = freeAt.enumerated().min(by: { $0.element < $1.element }) else {
      return 0
    }
    let start = max(now, free)
    freeAt[index] = start &+ work
    return start &- now
  }
}
