import RWSJSON

/// The event types that have a kind of their own: the RWS_EVENT_… of Include/responsesws.h, same
/// numbers.
public enum EventKind: Int32, Sendable, CaseIterable {
  case other = 0
  case responseCreated = 1
  case responseQueued = 2
  case responseInProgress = 3
  case responseCompleted = 4
  case responseFailed = 5
  case responseIncomplete = 6
  case error = 7
  case outputItemAdded = 10
  case outputItemDone = 11
  case contentPartAdded = 12
  case contentPartDone = 13
  case outputTextDelta = 14
  case outputTextDone = 15
  case refusalDelta = 16
  case refusalDone = 17
  case functionCallArgumentsDelta = 18
  case functionCallArgumentsDone = 19
  case customToolCallInputDelta = 20
  case customToolCallInputDone = 21
  case reasoningSummaryPartAdded = 22
  case reasoningSummaryPartDone = 23
  case reasoningSummaryTextDelta = 24
  case reasoningSummaryTextDone = 25
  case reasoningTextDelta = 26
  case reasoningTextDone = 27
  /// Made by this library; no server event is of this kind.
  case notice = 100

  /// Ends the response. An `error` event ends the request that it belongs to, but which one that is
  /// needs more than the kind.
  package var isTerminal: Bool {
    switch self {
    case .responseCompleted, .responseFailed, .responseIncomplete: true
    case .other, .responseCreated, .responseQueued, .responseInProgress, .error, .outputItemAdded,
      .outputItemDone, .contentPartAdded, .contentPartDone, .outputTextDelta, .outputTextDone,
      .refusalDelta, .refusalDone, .functionCallArgumentsDelta, .functionCallArgumentsDone,
      .customToolCallInputDelta, .customToolCallInputDone, .reasoningSummaryPartAdded,
      .reasoningSummaryPartDone, .reasoningSummaryTextDelta, .reasoningSummaryTextDone,
      .reasoningTextDelta, .reasoningTextDone, .notice:
      false
    }
  }

  /// Something that the model made: from here on a repeated request would make it twice.
  package var isOutput: Bool {
    switch self {
    case .outputItemAdded, .outputItemDone, .contentPartAdded, .contentPartDone, .outputTextDelta,
      .outputTextDone, .refusalDelta, .refusalDone, .functionCallArgumentsDelta,
      .functionCallArgumentsDone, .customToolCallInputDelta, .customToolCallInputDone,
      .reasoningSummaryPartAdded, .reasoningSummaryPartDone, .reasoningSummaryTextDelta,
      .reasoningSummaryTextDone, .reasoningTextDelta, .reasoningTextDone:
      true
    case .other, .responseCreated, .responseQueued, .responseInProgress, .responseCompleted,
      .responseFailed, .responseIncomplete, .error, .notice:
      false
    }
  }

  /// Output of which there is something to see; the rest only says that some begins.
  package var isContent: Bool {
    switch self {
    case .outputItemAdded, .contentPartAdded, .reasoningSummaryPartAdded: false
    default: isOutput
    }
  }

  /// - Parameter type: The event's `type`, unescaped. `response.done` is not told here: which of the
  ///   terminal kinds it is, its response says.
  package init(type: UnsafeRawBufferPointer) {
    self = Self.recognised(JSONText(type)) ?? .other
  }

  private static func recognised(_ type: JSONText) -> EventKind? {
    switch type.count {
    case 5:
      if type.matches("error") { return .error }
    case 15:
      if type.matches("response.queued") { return .responseQueued }
      if type.matches("response.failed") { return .responseFailed }
    case 16:
      if type.matches("response.created") { return .responseCreated }
    case 18:
      if type.matches("response.completed") { return .responseCompleted }
    case 19:
      if type.matches("response.incomplete") { return .responseIncomplete }
    case 20:
      if type.matches("response.in_progress") { return .responseInProgress }
    case 21:
      if type.matches("response.refusal.done") { return .refusalDone }
    case 22:
      if type.matches("response.refusal.delta") { return .refusalDelta }
    case 25:
      if type.matches("response.output_text.done") { return .outputTextDone }
      if type.matches("response.output_item.done") { return .outputItemDone }
    case 26:
      if type.matches("response.output_text.delta") { return .outputTextDelta }
      if type.matches("response.output_item.added") { return .outputItemAdded }
      if type.matches("response.content_part.done") { return .contentPartDone }
    case 27:
      if type.matches("response.content_part.added") { return .contentPartAdded }
    case 28:
      if type.matches("response.reasoning_text.done") { return .reasoningTextDone }
    case 29:
      if type.matches("response.reasoning_text.delta") { return .reasoningTextDelta }
    case 36:
      if type.matches("response.reasoning_summary_text.done") { return .reasoningSummaryTextDone }
      if type.matches("response.reasoning_summary_part.done") { return .reasoningSummaryPartDone }
      if type.matches("response.custom_tool_call_input.done") { return .customToolCallInputDone }
    case 37:
      if type.matches("response.reasoning_summary_text.delta") { return .reasoningSummaryTextDelta }
      if type.matches("response.reasoning_summary_part.added") { return .reasoningSummaryPartAdded }
      if type.matches("response.custom_tool_call_input.delta") { return .customToolCallInputDelta }
      if type.matches("response.function_call_arguments.done") { return .functionCallArgumentsDone }
    case 38:
      if type.matches("response.function_call_arguments.delta") {
        return .functionCallArgumentsDelta
      }
    default: break
    }
    return nil
  }
}
