import RWSJSON

/// The frames that answer a request which never became a response (SDK: `ResponseWsError`), and the error
/// body of HTTP.
package enum ErrorFrame {
  static func write(_ error: RequestError, lane: String?) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("type", "error")
    writer.member("status", error.status)
    if let lane { writer.member("stream_id", lane) }
    writeError(error, to: &writer)
    writer.endObject()
    return writer.bytes
  }

  package static func httpBody(_ error: RequestError) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writeError(error, to: &writer)
    writer.endObject()
    return writer.bytes
  }

  /// `response.steer.failed`: no model here can be steered, and the input goes back to its sender.
  static func steeringNotSupported(
    previousResponseID: String, input: JSONValue, lane: String?
  ) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("type", "response.steer.failed")
    writer.member("sequence_number", 0)
    writer.key("steer")
    writer.beginObject()
    writer.member("previous_response_id", previousResponseID)
    writer.member("input", input)
    writer.endObject()
    writer.key("error")
    writer.beginObject()
    writer.member("type", "invalid_request_error")
    writer.member("code", "steering_not_supported")
    writer.member("message", "No model of this server supports steering.")
    writer.endObject()
    if let lane { writer.member("stream_id", lane) }
    writer.endObject()
    return writer.bytes
  }

  private static func writeError(_ error: RequestError, to writer: inout JSONWriter) {
    writer.key("error")
    writer.beginObject()
    writer.member("type", error.type)
    writer.key("code")
    if let code = error.code { writer.string(code) } else { writer.null() }
    writer.member("message", error.message)
    writer.key("param")
    if let param = error.param { writer.string(param) } else { writer.null() }
    writer.endObject()
  }
}
