import RWSJSON

/// Writes one event around its members: type and number before them, the lane's name after.
struct EventWriter {
  var json = JSONWriter(reservingCapacity: 256)
  private var numberOffset: Int?

  init(_ type: String, dialect: Dialect) {
    json.beginObject()
    json.member("type", type)
    guard !dialect.has(.noSequenceNumbers) else { return }
    json.key("sequence_number")
    numberOffset = json.bytes.count
    // The number itself comes later; this only says that a value stands here.
    json.raw("")
  }

  /// `lane`: to be echoed.
  consuming func finish(lane: String?) -> EventText {
    if let lane { json.member("stream_id", lane) }
    json.endObject()
    return EventText(json.bytes, numberOffset: numberOffset)
  }
}
