import RWSJSON

/// A message of the client as the server reads it.
struct ServerRequest {
  var names: [String] = []
  var type = "thing without type"
  var streamID: String?
  var previous: String?
  var model = ""
  var instructions: String?
  var tools = ""
  var input: [String] = []
  var isStored = true
  var isWarmUp = false
  /// Over HTTP: the answer is a stream of events.
  var isStream = false
  /// What the simulation calls the turn.
  var turn = "?"

  /// nil: no JSON.
  init?(_ text: [UInt8]) {
    guard let value = try? JSONValue(parsing: text) else { return nil }
    for member in value.members {
      let (name, value) = (member.key, member.value)
      names.append(name)
      switch name {
      case "type": type = value.string ?? type
      case "stream_id": streamID = value.string
      case "previous_response_id": previous = value.string
      case "model": model = value.string ?? ""
      case "instructions": instructions = value.string ?? ""
      case "tools": tools = String(decoding: value.bytes, as: UTF8.self)
      case "input": input = value.elements.map { String(decoding: $0.bytes, as: UTF8.self) }
      case "store": isStored = value.bool ?? true
      case "stream": isStream = value.bool == true
      case "generate": isWarmUp = value.bool == false
      case "metadata": turn = value["turn"]?.string ?? turn
      default: break
      }
    }
  }
}
