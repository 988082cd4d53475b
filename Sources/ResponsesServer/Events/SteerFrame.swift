import RWSJSON

/// The events that answer a steer (SDK: `response_steer_*_event.py`), but for their numbers.
struct SteerFrame {
  let lane: String?
  let dialect: Dialect

  func accepted(_ steer: Steer) -> EventText {
    event("response.steer.accepted") { Self.write(steer, to: &$0) }
  }

  /// `required`: the calls that the client has to answer first.
  func pending(_ steer: Steer, required: [Context.OpenCall], names: [String: String]) -> EventText {
    event("response.steer.pending") { writer in
      Self.write(steer, to: &writer)
      writer.member("reason", "waiting_for_required_input")
      writer.key("required_input")
      writer.beginArray()
      for call in required {
        writer.beginObject()
        writer.member("type", call.family.outputType)
        writer.member(call.family.outputKey, call.id)
        if call.family == .function { writer.member("name", names[call.id] ?? "") }
        writer.endObject()
      }
      writer.endArray()
    }
  }

  /// `id`: of a steer that was accepted before.
  func failed(
    _ steer: SteerEvent, id: String?, _ failure: SteerFailure, _ message: String
  ) -> EventText {
    event("response.steer.failed") { writer in
      writer.key("steer")
      writer.beginObject()
      if let id { writer.member("id", id) }
      writer.member("previous_response_id", steer.previousResponseID)
      writer.member("input", steer.input)
      writer.endObject()
      writer.key("error")
      writer.beginObject()
      writer.member("type", "invalid_request_error")
      writer.member("code", failure.rawValue)
      writer.member("message", message)
      writer.endObject()
    }
  }

  private static func write(_ steer: Steer, to writer: inout JSONWriter) {
    writer.key("steer")
    writer.beginObject()
    writer.member("id", steer.id)
    writer.member("previous_response_id", steer.event.previousResponseID)
    writer.endObject()
  }

  private func event(_ type: String, _ write: (inout JSONWriter) -> Void) -> EventText {
    var writer = EventWriter(type, dialect: dialect)
    write(&writer.json)
    return writer.finish(lane: lane)
  }
}
