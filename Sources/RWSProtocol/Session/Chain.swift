import RWSJSON

/// A session's chain of responses: its history, and the anchor that the next turn may continue from.
/// Id and boundary move together, and only when a turn commits (protocol.md, Full replay 1).
struct Chain {
  struct PlannedRequest {
    let body: [UInt8]
    /// Only what is new was put into it.
    let isDelta: Bool
    /// Length of the body that HTTP would have needed.
    let fullBytes: Int
  }

  private(set) var history = History()
  private(set) var anchor: Anchor?
  /// Of the last committed turn, whether the server still holds it or not.
  private(set) var responseID = ""

  // MARK: Planning

  /// Delta where the server holds the context, else the whole history.
  func plan(_ request: TurnRequest, on connection: ConnectionID) -> PlannedRequest {
    var context = RequestBody.Context.none
    var items = [request.input.items]
    var isDelta = true
    if !request.settings.hasConversation {
      if let anchor, anchor.isHeld(on: connection) {
        context = .previousResponse(anchor.responseID)
      } else {
        items = [history.items, request.input.items]
        isDelta = false
      }
    }
    return PlannedRequest(
      body: RequestBody.create(
        settings: request.settings, context: context, items: items, isWarmUp: request.isWarmUp),
      isDelta: isDelta,
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

  // MARK: Moving

  /// The turn ended well with `response`, the text of its terminal event's response.
  mutating func commit(
    _ turn: ActiveTurn, response text: UnsafeRawBufferPointer, isComplete: Bool,
    on connection: ConnectionID
  ) {
    var output = turn.finishedItems.sorted { $0.outputIndex < $1.outputIndex }.map(\.item)
    let terminal = (try? JSONValue(parsing: text))?["output"]?.elements ?? []
    guard isComplete || !Self.holdsUnfinishedCall(output + terminal) else {
      anchor = nil
      return
    }
    // Gateways leave out done events, some or all.
    if output.count < terminal.count { output = terminal }
    history.commit(input: turn.request.input.items, output: output)
    responseID = ResponseFields(text).idText
    anchor = responseID.isEmpty
      ? nil
      : Anchor(
        responseID: responseID,
        isStored: turn.request.settings.isStored && isContextStored(turn), connection: connection)
  }

  /// The server no longer has the context, wherever it was.
  mutating func dropAnchor() { anchor = nil }

  /// What was only in the connection's cache is gone; a stored response can be loaded anywhere.
  mutating func dropAnchorUnlessStored() {
    if anchor?.isStored != true { anchor = nil }
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
