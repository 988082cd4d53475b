import RWSJSON

/// User input for a response that runs already (`response.steer`), from its start to its end:
///
///   queued ──id known──▶ sent ──accepted──▶ accepted ──successor's created──▶ committed
///                         │                    │  └─pending: waits for the caller's tool outputs──┘
///                         └──────failed────────┴──▶ returned          connection lost ──▶ unknown
package final class Steer {
  package enum State: Sendable, Equatable {
    /// The response has no id yet.
    case queued
    case sent
    /// The server owns the input: it must not be sent again.
    case accepted
    /// The server holds it until the caller has answered the response's calls.
    case pending
    /// It is a user message at the head of the input of the turn that followed.
    case committed
    /// Not used: the caller may give it with the next turn.
    case returned(ResponsesError)
    /// The connection was lost: it may or may not have been used.
    case unknown(ResponsesError)

    package var isSettled: Bool {
      switch self {
      case .queued, .sent, .accepted, .pending: false
      case .committed, .returned, .unknown: true
      }
    }

    /// A successor may come of it by itself.
    var isAwaited: Bool {
      switch self {
      case .queued, .pending, .committed, .returned, .unknown: false
      case .sent, .accepted: true
      }
    }
  }

  let id: SteerID
  let input: TurnInput
  var state = State.queued
  /// The server's name for it, from `accepted` on.
  var serverID = ""

  init(_ id: SteerID, _ input: TurnInput) {
    self.id = id
    self.input = input
  }

  /// The event; it has no other field, a lane's name neither.
  static func event(_ responseID: String, _ input: TurnInput) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("type", "response.steer")
    writer.member("previous_response_id", responseID)
    writer.key("input")
    writer.beginArray()
    if input.items.count > 0 { writer.raw(input.items.joined) }
    writer.endArray()
    writer.endObject()
    return writer.bytes
  }
}

/// What a server says of a steer.
enum SteerEvent {
  case accepted(serverID: String)
  case pending(serverID: String)
  /// Without an id where it failed before it got one.
  case failed(serverID: String?, ResponsesError)

  /// nil: another kind of event.
  init?(_ fields: ScannedEvent, _ text: UnsafeRawBufferPointer) {
    guard let type = fields.type.string(in: text), type.hasPrefix("response.steer."),
      let event = try? JSONValue(parsing: text)
    else { return nil }
    let serverID = event["steer"]?["id"]?.string
    switch type {
    case "response.steer.accepted": self = .accepted(serverID: serverID ?? "")
    case "response.steer.pending": self = .pending(serverID: serverID ?? "")
    case "response.steer.failed":
      var error = ResponsesError(
        APIErrorFields(fields, in: text), fallback: .api, body: text)
      error.execution = .rejected
      self = .failed(serverID: serverID, error)
    default: return nil
    }
  }
}
