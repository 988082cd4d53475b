import RWSJSON

/// Lines of the server's log, one JSON object each: what it executed and what it refused. Never a header, so
/// never a credential.
enum LogRecord {
  /// `items`: the whole context that the model saw, item by item, as bytes came; `output`: what it answered.
  static func executed(
    id: String, request: ResponseRequest, context: Context, output: [Item], status: String,
    usage: Usage
  ) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("event", "executed")
    writer.member("response", id)
    write("lane", request.lane, to: &writer)
    write("previous", request.previousResponseID, to: &writer)
    writer.member("model", request.model)
    writer.member("store", request.store)
    writer.member("warm_up", request.isWarmUp)
    writer.member("status", status)
    writer.key("usage")
    usage.write(to: &writer)
    writer.key("instructions")
    if let instructions = request["instructions"] {
      writer.value(instructions)
    } else {
      writer.null()
    }
    write("items", context.items, to: &writer)
    write("output", output, to: &writer)
    writer.endObject()
    return writer.bytes
  }

  static func refused(_ error: RequestError, lane: String?) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("event", "refused")
    write("lane", lane, to: &writer)
    writer.member("status", error.status)
    write("code", error.code, to: &writer)
    writer.member("message", error.message)
    writer.endObject()
    return writer.bytes
  }

  private static func write(_ key: String, _ value: String?, to writer: inout JSONWriter) {
    writer.key(key)
    if let value { writer.string(value) } else { writer.null() }
  }

  private static func write(_ key: String, _ items: [Item], to writer: inout JSONWriter) {
    writer.key(key)
    writer.beginArray()
    for item in items { writer.raw(item.json) }
    writer.endArray()
  }
}
