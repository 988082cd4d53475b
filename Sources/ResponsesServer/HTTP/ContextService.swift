import RWSJSON
import RWSWebSocket

/// The endpoints that look at a context without a model: `/v1/responses/compact` and
/// `/v1/responses/input_tokens`. HTTP cannot see a socket's cache: a parent must have been stored.
struct ContextService {
  let configuration: ServerConfiguration
  let store: ResponseStore
  let meter: RequestMeter

  func compact(
    _ body: [UInt8], now: Int64, ids: inout IDSource
  ) throws(RequestError) -> HTTPAnswer {
    let (request, prepared) = try prepare(body)
    guard !request.model.isEmpty else { throw .missing("model") }
    let context = prepared.built.context
    let compaction = OutputItem(
      .compaction(ContextSummary(of: context, keepsWindow: true)), ids: &ids, seal: nil,
      isCutShort: false)
    var usage = prepared.usage
    usage.output = meter.counter.count(compaction.contextItem)
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("id", ids.next("cmpresp"))
    writer.member("object", "response.compaction")
    writer.member("created_at", configuration.unixSeconds(now))
    writer.key("output")
    writer.beginArray()
    for (place, item) in context.items.enumerated() where item.isUserMessage {
      ListedItem(item, at: place).write(to: &writer)
    }
    writer.raw(compaction.json(.done))
    writer.endArray()
    writer.key("usage")
    usage.write(to: &writer)
    writer.endObject()
    return HTTPAnswer(json: writer.bytes)
  }

  func countInputTokens(_ body: [UInt8]) throws(RequestError) -> HTTPAnswer {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("object", "response.input_tokens")
    writer.member("input_tokens", try prepare(body).prepared.usage.input)
    writer.endObject()
    return HTTPAnswer(json: writer.bytes)
  }

  private func prepare(
    _ body: [UInt8]
  ) throws(RequestError) -> (request: ResponseRequest, prepared: RequestPreparation.Prepared) {
    let request = ResponseRequest(fields: try HTTPExchange.fields(body), lane: nil)
    guard request["input"] != nil || request.previousResponseID != nil else {
      throw .invalid(
        "One of \"input\" or \"previous_response_id\" must be provided.",
        code: "missing_required_parameter")
    }
    let prepared = try RequestPreparation(store: store, configuration: configuration, meter: meter)
      .prepare(request, cache: ResponseCache())
    return (request, prepared)
  }
}
