import RWSJSON

/// A stored response whose connection was lost is looked up by its id before its turn fails: it may have come to its
/// end, or will, for the server works on.
///
///   running ──connection lost──▶ looking up ──ended──▶ the turn ends with it (`rws.recovered`)
///                                 │      ▲ │
///                                 │      └─┘ it runs: again after a pause, within the turn's time
///                                 └──not found, no answer──▶ the error of the connection
extension ClientMachine {
  /// The longest pause is eight times the first one.
  private static let pauseDoublingsMax = 3

  /// False: there is nothing to look for.
  func lookUp(_ turn: ActiveTurn, _ seat: Seat, after error: ResponsesError, _ now: Instant) -> Bool {
    guard turn.request.settings.isStored, !turn.request.isWarmUp, turn.isCreated,
      LookedUpResponse.isPlainID(turn.responseID),
      // A successor may have gone on from it.
      turn.steers.isEmpty, error.status == .connectionLost || error.status == .peerClosed,
      holds(.storedIsLookedUp)
    else { return false }
    turn.phase = .lookingUp(seat, since: now, error: error)
    let id = ErrandID(lookup: turn.request.id)
    errands[id] = Errand(
      route: turn.session.route, recovery: turn.request.recovery, start: now, total: nil,
      lookup: (turn.request.id, turn.responseID))
    begin(id, now)
    watch(turn)
    return true
  }

  /// The answer to `lookUp`.
  package func lookedUp(_ id: ErrandID, _ answer: Result<[UInt8], ResponsesError>, now: Instant) {
    guard let turnID = errands[id]?.lookup?.turn, let turn = turns[turnID],
      case .lookingUp(let seat, _, let lost) = turn.phase
    else { return dropErrand(id) }
    switch answer {
    case .failure(let error):
      if errandEnded(id, error, now: now) { failLookup(turn, lost, now) }
    case .success(let body):
      let response = LookedUpResponse(body)
      switch response.state {
      case .runs:
        errands[id]?.attempt = 0
        let pause = limits.lookupPauseNanoseconds << Int64(min(errands[id]?.polls ?? 0, Self.pauseDoublingsMax))
        errands[id]?.polls += 1
        guard holds(.runningIsLookedUpAgain) else { return }
        alarms.add(.errand(id), at: now.advanced(byNanoseconds: pause))
      case .ended(let event):
        errands[id] = nil
        event.withUnsafeBytes { recover(turn, seat, $0, lost, now) }
      case .unknown:
        errands[id] = nil
        failLookup(turn, lost, now)
      }
    }
  }

  func failLookup(_ turn: ActiveTurn, _ error: ResponsesError, _ now: Instant) {
    end(turn, .failed, error.underTurn(max(turn.execution, turn.earlierExecution)), now)
    advance([turn.session], turn.session.route, now)
  }

  /// - Parameter event: As the terminal event would have been.
  private func recover(
    _ turn: ActiveTurn, _ seat: Seat, _ event: UnsafeRawBufferPointer, _ lost: ResponsesError, _ now: Instant
  ) {
    guard let fields = try? EventScanner.scan(event), fields.kind.isTerminal,
      let response = fields.response.value(in: event)
    else { return failLookup(turn, lost, now) }
    counters.recoveryCount += 1
    if fields.kind == .responseFailed {
      turn.usage = ResponseFields(fields.response.bytes(in: event)).usage
      let error = ResponsesError(APIErrorFields(fields, in: event), fallback: .responseFailed, body: event)
      end(turn, .failed, error.with(max(turn.execution, .started)), now)
    } else {
      commit(turn, fields, event, at: seat)
      turn.appendNotice("rws.recovered") { writer in
        writer.member("reason", "\(lost.status.name)")
        writer.member("response", response)
      }
      end(turn, fields.kind == .responseCompleted ? .completed : .incomplete, nil, now)
    }
    advance([turn.session], turn.session.route, now)
  }
}

/// What `GET /responses/{id}` said.
private struct LookedUpResponse {
  enum State {
    case runs
    /// The event that the connection would have brought.
    case ended([UInt8])
    case unknown
  }

  let state: State

  init(_ body: [UInt8]) {
    guard let value = try? JSONValue(parsing: body), let type = Self.eventType(value["status"]?.string) else {
      state = .unknown
      return
    }
    guard !type.isEmpty else {
      state = .runs
      return
    }
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("type", type)
    writer.member("response", value)
    writer.endObject()
    state = .ended(writer.bytes)
  }

  /// Empty: it runs; nil: it has no end that a turn could have.
  private static func eventType(_ status: String?) -> String? {
    switch status {
    case "completed": "response.completed"
    case "incomplete": "response.incomplete"
    case "failed": "response.failed"
    case "queued", "in_progress": ""
    default: nil
    }
  }

  /// It becomes a part of a path, and comes from the network.
  static func isPlainID(_ id: String) -> Bool {
    (1...256).contains(id.utf8.count)
      && id.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }
}
