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
  /// The response that it was sent to.
  var target = ""
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
struct SteerEvent {
  enum Verdict {
    case accepted
    case pending
    case failed(ResponsesError)
  }

  let verdict: Verdict
  /// Empty where it failed before it got one.
  let serverID: String
  /// The response that it was sent to; empty if it is not told.
  let target: String

  /// Nothing comes of it by itself.
  var isLast: Bool {
    switch verdict {
    case .accepted: false
    case .pending, .failed: true
    }
  }

  /// nil: another kind of event.
  init?(_ fields: ScannedEvent, _ text: UnsafeRawBufferPointer) {
    guard fields.kind == .other, Self.isMeant(fields.type.content(in: text)),
      let event = try? JSONValue(parsing: text)
    else { return nil }
    serverID = event["steer"]?["id"]?.string ?? ""
    target = event["steer"]?["previous_response_id"]?.string ?? ""
    switch event["type"]?.string {
    case "response.steer.accepted": verdict = .accepted
    case "response.steer.pending": verdict = .pending
    case "response.steer.failed":
      var error = ResponsesError(
        APIErrorFields(fields, in: text), fallback: .api, body: text)
      error.execution = .rejected
      verdict = .failed(error)
    default: return nil
    }
  }

  /// Unknown events are many; few of them are parsed.
  private static func isMeant(_ type: UnsafeRawBufferPointer) -> Bool {
    let prefix: StaticString = "response.steer."
    guard type.count > prefix.utf8CodeUnitCount else { return false }
    return JSONText(UnsafeRawBufferPointer(rebasing: type[..<prefix.utf8CodeUnitCount])).matches(prefix)
  }
}
