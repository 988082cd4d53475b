import RWSJSON

/// A line of the log for each response: what it took, and when (nanoseconds; times of CLOCK_MONOTONIC, which
/// other processes can read as well).
package struct CostRecord: Equatable {
  let id: String
  let isContinued: Bool
  let receivedAt: Int64
  let work: RequestWork
  let cost: RequestCost
  let usage: Usage
  /// The model's time for its output.
  let inference: Int64
  /// When its first event went out.
  var beganAt: Int64 = 0

  /// `ended`: when its last event had been handed over, so that writing and compressing it is the server's.
  func line(ended: Int64) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("event", "cost")
    writer.member("response", id)
    writer.member("continued", isContinued)
    writer.member("received_at", receivedAt)
    writer.member("began_at", beganAt)
    writer.member("ended_at", ended)
    writer.key("work")
    writer.beginObject()
    writer.member("bytes", work.bytes)
    writer.member("items", work.items)
    writer.member("tokens", work.tokens)
    writer.member("loaded_items", work.loadedItems)
    writer.member("loaded_tokens", work.loadedTokens)
    writer.member("prefill_tokens", work.prefillTokens)
    writer.endObject()
    writer.key("nanoseconds")
    writer.beginObject()
    writer.member("queue", cost.queue)
    writer.member("request", cost.request)
    writer.member("validation", cost.validation)
    writer.member("tokenisation", cost.tokenisation)
    writer.member("loading", cost.loading)
    writer.member("prefill", cost.prefill)
    writer.member("inference", inference)
    writer.endObject()
    writer.key("usage")
    usage.write(to: &writer)
    writer.endObject()
    return writer.bytes
  }

  /// What went over a made link.
  static func line(_ report: DelayedLink.Report) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    switch report {
    case .exchange(let exchange):
      writer.member("event", "exchange")
      writer.member("asked_from", exchange.askedFrom)
      writer.member("asked_at", exchange.askedAt)
      writer.member("answered_at", exchange.answeredAt)
      writer.member("bytes_up", exchange.bytesUp)
      writer.member("bytes_down", exchange.bytesDown)
    case .end(let bytesUp, let bytesDown):
      writer.member("event", "connection")
      writer.member("bytes_up", bytesUp)
      writer.member("bytes_down", bytesDown)
    }
    writer.endObject()
    return writer.bytes
  }
}
