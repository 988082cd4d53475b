import RWSJSON

/// A session's chain of responses: its history, and the anchor that the next turn may continue from.
/// Id and boundary move together, and only when a turn commits (protocol.md, Full replay 1).
struct Chain {
  struct PlannedRequest {
    let body: [UInt8]
    /// nil: only what is new was put into it.
    let fullReason: FullReason?
    /// The lane, if not the request's own, whose latest response it continues.
    let forkedFrom: Seat?
    /// Length of the body that HTTP would have needed.
    let fullBytes: Int
  }

  private(set) var history = History()
  private(set) var anchor: Anchor?
  /// Why there is no anchor.
  private var unanchoredReason = FullReason.first
  /// Of the last committed turn, whether the server still holds it or not.
  private(set) var responseID = ""

  // MARK: Planning

  /// Delta where the server holds the context, else the whole history.
  func plan(_ request: TurnRequest, on seat: Seat) -> PlannedRequest {
    var context = RequestBody.Context.none
    var items = [request.input.items]
    var fullReason: FullReason?
    var forkedFrom: Seat?
    if !request.settings.hasConversation {
      if let anchor {
        fullReason = anchor.missing(on: seat)
        context = .previousResponse(anchor.responseID)
        if !anchor.isStored, let connection = anchor.connection, anchor.lane != seat.lane {
          forkedFrom = Seat(connection: connection, lane: anchor.lane)
        }
      } else {
        fullReason = unanchoredReason
      }
      if fullReason != nil {
        context = .none
        items = [history.items, request.input.items]
        forkedFrom = nil
      }
    }
    return PlannedRequest(
      body: RequestBody.create(
        settings: request.settings, lane: seat.lane, context: context, items: items,
        isWarmUp: request.isWarmUp),
      fullReason: fullReason, forkedFrom: forkedFrom,
      fullBytes: RequestBody.httpCount(
        settings: request.settings,
        joinedItemBytes: contextItems(request.settings).joinedCount(with: request.input.items)))
  }

  /// The body that HTTP would need for a next turn.
  func fullBody(settings: Settings, input: TurnInput) -> [UInt8] {
    RequestBody.http(
      settings: settings.includingEncryptedReasoning(), items: [contextItems(settings), input.items])
  }

  /// Calls of the last response that the request leaves without an output.
  func unanswered(by request: TurnRequest) -> [String] {
    request.settings.hasConversation ? [] : history.unanswered(by: request.input)
  }

  /// What a full request says of the chain so far; in a conversation the server has it.
  private func contextItems(_ settings: Settings) -> ItemList {
    settings.hasConversation ? ItemList() : history.items
  }

  /// Whether what the next turn continues is the latest response of that very lane.
  func isAnchored(at seat: Seat) -> Bool {
    anchor?.connection === seat.connection && anchor?.lane == seat.lane
  }

  // MARK: Moving

  /// The turn ended well with `response`, the text of its terminal event's response.
  mutating func commit(
    _ turn: ActiveTurn, response text: UnsafeRawBufferPointer, isComplete: Bool, at seat: Seat
  ) {
    var output = turn.finishedItems.sorted { $0.outputIndex < $1.outputIndex }.map(\.item)
    let terminal = (try? JSONValue(parsing: text))?["output"]?.elements ?? []
    guard isComplete || !Self.holdsUnfinishedCall(output + terminal) else {
      return dropAnchor(.unfinishedCall)
    }
    // Gateways leave out done events, some or all.
    if output.count < terminal.count { output = terminal }
    history.commit(input: turn.request.input.items, output: output)
    responseID = ResponseFields(text).idText
    guard !responseID.isEmpty else { return dropAnchor(.evicted) }
    anchor = Anchor(
      responseID: responseID, isStored: turn.request.settings.isStored && isContextStored(turn),
      connection: seat.connection, lane: seat.lane)
  }

  /// The server no longer has the context, wherever it was.
  mutating func dropAnchor(_ reason: FullReason) {
    anchor = nil
    unanchoredReason = reason
  }

  /// A stored response can be loaded anywhere only if what it continues was stored as well.
  private func isContextStored(_ turn: ActiveTurn) -> Bool {
    !turn.stats.isDelta || turn.request.settings.hasConversation || anchor?.isStored == true
  }

  private static func holdsUnfinishedCall(_ output: [JSONValue]) -> Bool {
    output.contains { item in
      guard item["type"]?.string?.hasSuffix("_call") == true else { return false }
      return ["in_progress", "incomplete"].contains(item["status"]?.string ?? "")
    }
  }
}
