/// Sizes and times of one turn. Times are nanoseconds from the turn's start; nil: not reached.
public struct TurnStats: Sendable, Equatable {
  /// The `response.create` as sent (last sending), in bytes.
  public internal(set) var requestBytes = 0
  /// The body that HTTP would have needed, settings and whole history, in bytes.
  public internal(set) var fullRequestBytes = 0
  /// JSON of all events, in bytes.
  public internal(set) var receivedBytes = 0
  public internal(set) var eventCount = 0
  /// The request was handed to the kernel.
  public internal(set) var sent: Int64?
  public internal(set) var firstEvent: Int64?
  /// The first event with output (a delta or an item).
  public internal(set) var firstOutput: Int64?
  public internal(set) var end: Int64?
  /// Why the whole history was sent; nil: only what is new was.
  public internal(set) var fullReason: FullReason? = .first
  /// The first setting that differs from the last turn's so that the server's prompt cache is lost from there on, as a
  /// path (`tools[2].name`); nil: none. The turn is a delta all the same.
  public internal(set) var cacheBreak: String?
  /// Whether `previous_response_id`, or a conversation, stood for the history.
  public var isDelta: Bool { fullReason == nil }
  /// Times the request was sent again before it had started.
  public internal(set) var resendCount = 0
  /// Tokens; known at the end.
  public internal(set) var cost = TurnCost()

  /// What carried the request (last sending); nil: it was not sent.
  public internal(set) var transport: Transport?

  package init() {}
}
