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

  /// Settings of the last committed turn.
  private var settings: Settings?
  /// What the server has taken as instructions of the chain, where it takes them only at its start.
  private var initialInstructions: JSONValue?

  private(set) var history = History()
  private(set) var anchor: Anchor?
  /// Why there is no anchor.
  private var unanchoredReason = FullReason.first
  /// Of the last committed turn, whether the server still holds it or not.
  private(set) var responseID = ""

  init() {}

  /// As it was saved. A stored response can be continued anywhere; what else the server held is gone.
  init(restoring saved: SavedSession) {
    settings = saved.lastSettings
    initialInstructions = saved.initialInstructions
    history = saved.history
    responseID = saved.responseID
    if saved.isStored {
      anchor = Anchor(responseID: responseID, isStored: true, connection: nil, lane: 0)
    }
    unanchoredReason = history.isEmpty ? .first : .restored
  }

  func saved(_ settings: Settings) -> SavedSession {
    SavedSession(
      settings: settings, lastSettings: self.settings, initialInstructions: initialInstructions,
      responseID: responseID, isStored: anchor?.isStored == true, history: history)
  }

  /// A copy that goes on by itself.
  func forked() -> Chain {
    var copy = self
    copy.history = history.forked()
    copy.anchor?.isInherited = true
    return copy
  }

  // MARK: Planning

  /// Takes over the caller's own form of the history's end. False if the history has moved on meanwhile, so that
  /// what was compared is not what is there.
  mutating func align(with request: TurnRequest) -> Bool {
    guard case .whole(let whole) = request.content,
      case .same(let generation, let tail) = whole.basis
    else { return true }
    guard generation == history.generation else { return false }
    history.willBeCompared()
    if let tail { history.adopt(tail) }
    return true
  }

  /// Delta where the server holds the context, else the whole history.
  func plan(_ request: TurnRequest, on seat: Seat) -> PlannedRequest {
    let settings = request.settings
    let input = request.input.items
    let fullBytes = self.fullBytes(request)
    let reason = settings.hasConversation ? nil : fullReason(request, on: seat)
    let continues = !settings.hasConversation && reason == nil
    let dialect = seat.connection.route.dialect
    let sent =
      continues && dialect.refusesInstructionsWithAnchor
      && seat.connection.route.holds(.instructionsOnlyAtStart)
      ? settings.removing("instructions") : settings
    var body =
      switch seat.connection.transport {
      case .webSocket: RequestBody(sent, lane: seat.lane, isWarmUp: request.isWarmUp)
      case .http: RequestBody(streaming: sent)
      }
    if continues {
      body.continue(from: anchor?.responseID ?? "")
    } else {
      body.append(replayed(request), isStored: settings.isStored)
    }
    body.append(input)
    return PlannedRequest(
      body: body.finished(), fullReason: reason, forkedFrom: continues ? laneForked(on: seat) : nil,
      fullBytes: fullBytes)
  }

  /// Length of the body that HTTP would need.
  func fullBytes(_ request: TurnRequest) -> Int {
    RequestBody.httpCount(
      settings: request.settings, history: replayed(request), input: request.input.items)
  }

  private func fullReason(_ request: TurnRequest, on seat: Seat) -> FullReason? {
    if let path = request.changedPath, seat.connection.route.holds(.changedHistoryIsFull) {
      return .prefixChanged(path)
    }
    if !abandonedCalls(by: request).isEmpty { return .callsAbandoned }
    guard let anchor else { return unanchoredReason }
    if seat.connection.transport == .http, !anchor.isStored { return .http }
    if let reason = anchor.missing(on: seat) { return reason }
    let dialect = seat.connection.route.dialect
    if dialect.refusesInstructionsWithAnchor,
      request.settings["instructions"]?.utf8 != initialInstructions?.utf8,
      seat.connection.route.holds(.changedInstructionsAreFull)
    {
      return .instructionsChanged
    }
    return nil
  }

  /// What differs from the last committed turn's settings: the first change that costs the prompt cache (nil: none,
  /// or nothing is cached), and what may change the size of the context.
  func changes(by request: TurnRequest) -> (cacheBreak: String?, context: ContextChanges) {
    var context: ContextChanges = abandonedCalls(by: request).isEmpty ? [] : .truncation
    guard let settings, settings != request.settings else { return (nil, context) }
    context.formUnion(ContextChanges(from: settings, to: request.settings))
    return (CacheBreak.path(from: settings, to: request.settings), context)
  }

  private func laneForked(on seat: Seat) -> Seat? {
    guard let anchor, !anchor.isStored, let connection = anchor.connection, anchor.lane != seat.lane
    else { return nil }
    return Seat(connection: connection, lane: anchor.lane)
  }

  /// The body that HTTP would need for a next turn.
  func fullBody(settings: Settings, input: TurnInput) -> [UInt8] {
    let settings = settings.includingEncryptedReasoning()
    var body = RequestBody(http: settings)
    if !settings.hasConversation { body.append(history, isStored: settings.isStored) }
    body.append(input.items)
    return body.finished()
  }

  /// The body of `POST /responses/compact`: it takes no other settings.
  func compactionBody(_ settings: Settings) -> [UInt8] {
    var body = RequestBody(http: settings.keeping(Self.compactionSettings))
    body.append(history, isStored: settings.isStored)
    return body.finished()
  }

  /// The body of `POST /responses/input_tokens`: what counts for the input of a next turn.
  func countingBody(_ settings: Settings, input: TurnInput) -> [UInt8] {
    var body = RequestBody(http: settings.keeping(Self.countedSettings))
    if !settings.hasConversation { body.append(history, isStored: settings.isStored) }
    body.append(input.items)
    return body.finished()
  }

  private static let compactionSettings: Set = [
    "model", "instructions", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
    "service_tier",
  ]
  private static let countedSettings: Set = [
    "model", "instructions", "conversation", "parallel_tool_calls", "personality", "reasoning", "text",
    "tool_choice", "tools", "truncation",
  ]

  /// Calls of the last response that the request leaves without an output.
  func unanswered(by request: TurnRequest) -> [String] {
    guard !request.settings.hasConversation, request.changedPath == nil else { return [] }
    return history.unanswered(by: request.input)
  }

  /// Those of them that it gives up.
  private func abandonedCalls(by request: TurnRequest) -> Set<String> {
    request.isAbandoningCalls ? Set(unanswered(by: request)) : []
  }

  private mutating func abandonCalls(by request: TurnRequest) {
    let calls = abandonedCalls(by: request)
    if !calls.isEmpty { history.abandon(calls) }
  }

  /// What a full request says besides its input: in a conversation the server has the rest.
  private func replayed(_ request: TurnRequest) -> History {
    if request.settings.hasConversation || request.changedPath != nil { return History() }
    let calls = abandonedCalls(by: request)
    guard !calls.isEmpty else { return history }
    // The turn may fail: then they are open as before.
    var rest = history.forked()
    rest.abandon(calls)
    return rest
  }

  /// Whether what the next turn continues is the latest response of that very lane.
  func isAnchored(at seat: Seat) -> Bool {
    guard let anchor else { return false }
    return anchor.connection === seat.connection && anchor.lane == seat.lane
      && seat.connection[seat.lane].latestResponseID == anchor.responseID
  }

  // MARK: Moving

  /// The turn ended well with `response`, the text of its terminal event's response.
  /// - Returns: The items that the response added; nil: the turn could not be committed.
  mutating func commit(
    _ turn: ActiveTurn, response text: UnsafeRawBufferPointer, _ fields: ResponseFields, isComplete: Bool,
    at seat: Seat
  ) -> [JSONValue]? {
    var output = turn.finishedItems.sorted { $0.outputIndex < $1.outputIndex }.map(\.item)
    let terminal = fields.output(in: text)
    let route = seat.connection.route
    guard
      isComplete || !Self.holdsUnfinishedCall(output + terminal) || !route.holds(.unfinishedCallIsDropped)
    else {
      dropAnchor(.unfinishedCall)
      return nil
    }
    // Gateways leave out done events, some or all.
    if output.count < terminal.count, route.holds(.terminalOutputFillsIn) { output = terminal }
    if turn.request.changedPath != nil { history.replace() }
    abandonCalls(by: turn.request)
    history.commit(input: turn.lastingInput, output: output)
    settings = turn.request.settings
    if !turn.stats.isDelta { initialInstructions = turn.request.settings["instructions"] }
    responseID = fields.idText
    guard !responseID.isEmpty else {
      dropAnchor(.evicted)
      return output
    }
    anchor = Anchor(
      responseID: responseID, isStored: turn.request.settings.isStored && isContextStored(turn, seat),
      connection: seat.connection, lane: seat.lane)
    return output
  }

  /// The next turn goes on from a response that holds the same context as the one so far.
  mutating func continuePriming(_ responseID: String, at seat: Seat) {
    anchor = Anchor(responseID: responseID, isStored: false, connection: seat.connection, lane: seat.lane)
    initialInstructions = settings?["instructions"]
  }

  /// Of the last committed turn.
  var lastSettings: Settings? { settings }

  /// The turn's input joins the history without having been sent.
  mutating func commitUnsent(_ turn: ActiveTurn) {
    if turn.request.changedPath != nil { history.replace() }
    abandonCalls(by: turn.request)
    history.commit(input: turn.request.input.lasting, output: [])
    if anchor != nil { dropAnchor(.http) }
  }

  /// The history was compacted: the chain goes on from the window that came of it, with one full send.
  mutating func rebase(_ window: [JSONValue]) {
    history.rebase(window)
    dropAnchor(.compacted)
  }

  /// No turn has gone on from the window yet.
  var isJustCompacted: Bool { anchor == nil && unanchoredReason == .compacted }

  /// The server no longer has the context, wherever it was.
  mutating func dropAnchor(_ reason: FullReason) {
    anchor = nil
    unanchoredReason = reason
  }

  /// A stored response can be loaded anywhere only if what it continues was stored as well.
  private func isContextStored(_ turn: ActiveTurn, _ seat: Seat) -> Bool {
    !turn.stats.isDelta || turn.request.settings.hasConversation || anchor?.isStored == true
      || !seat.connection.route.holds(.storedNeedsStoredContext)
  }

  private static func holdsUnfinishedCall(_ output: [JSONValue]) -> Bool {
    output.contains { item in
      guard item["type"]?.string?.hasSuffix("_call") == true else { return false }
      return ["in_progress", "incomplete"].contains(item["status"]?.string ?? "")
    }
  }
}
