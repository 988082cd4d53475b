import RWSJSON

/// One text frame from a client, as far as it is judged on arrival: what it asks for, and on which lane.
/// Everything else is judged when its turn comes, because it may depend on the response before it.
enum ClientEvent {
  case create(ResponseRequest)
  case steer(SteerEvent)
  /// `response.interrupt` of the Codex route.
  case interrupt(responseID: String)

  /// Why a frame is refused on arrival, and the lane to name in the answer.
  struct Refusal: Error {
    var error: RequestError
    var lane: String?
  }

  static func parse(
    _ text: UnsafeRawBufferPointer, dialect: Dialect
  ) throws(Refusal) -> ClientEvent {
    let value: JSONValue
    do {
      value = try JSONValue(parsing: text)
    } catch {
      throw Refusal(
        error: .invalid(
          "The message is not valid JSON: \(error). Send one JSON object per text frame.",
          code: "invalid_json"))
    }
    guard value.kind == .object else {
      throw Refusal(
        error: .invalid(
          "The message must be a JSON object, but it is \(value.spokenKind).",
          code: "invalid_type"))
    }
    let fields = value.membersByKey
    let lane = dialect.has(.noLanes) ? nil : try laneName(fields["stream_id"])
    guard let type = fields["type"]?.string else {
      throw Refusal(error: .missing("type"), lane: lane)
    }
    switch type {
    case "response.create":
      return .create(ResponseRequest(fields: fields, lane: lane))
    case "response.steer":
      return .steer(try SteerEvent(fields, lane: lane))
    case "response.interrupt" where dialect.has(.codexEvents):
      guard let id = fields["response_id"]?.string else {
        throw Refusal(error: .missing("response_id"), lane: lane)
      }
      return .interrupt(responseID: id)
    default:
      throw Refusal(
        error: .invalid(
          "Invalid value: '\(type)'. Supported values are: 'response.create' and 'response.steer'.",
          code: "invalid_value", param: "type"),
        lane: lane)
    }
  }

  /// nil is the default lane. The refusal of a bad name carries no lane: the name cannot be echoed.
  private static func laneName(_ value: JSONValue?) throws(Refusal) -> String? {
    guard let value, !value.isNull else { return nil }
    if let name = value.string, isLaneName(name) { return name }
    throw Refusal(
      error: .invalid(
        "Invalid 'stream_id': it must be 1 to 256 characters out of A-Z, a-z, 0-9, '_', '.' and"
          + " '-'. Omit it to use the default lane.",
        code: "invalid_stream_id", param: "stream_id"))
  }

  private static func isLaneName(_ name: String) -> Bool {
    (1...256).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."),
          UInt8(ascii: "-"):
          true
        default:
          false
        }
      }
  }
}
