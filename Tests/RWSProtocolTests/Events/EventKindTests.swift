import RWSProtocol
import Testing

@Suite struct EventKindTests {
  static let types: [(String, EventKind)] = [
    ("response.created", .responseCreated), ("response.queued", .responseQueued),
    ("response.in_progress", .responseInProgress), ("response.completed", .responseCompleted),
    ("response.failed", .responseFailed), ("response.incomplete", .responseIncomplete),
    ("error", .error), ("response.output_item.added", .outputItemAdded),
    ("response.output_item.done", .outputItemDone),
    ("response.content_part.added", .contentPartAdded),
    ("response.content_part.done", .contentPartDone),
    ("response.output_text.delta", .outputTextDelta), ("response.output_text.done", .outputTextDone),
    ("response.refusal.delta", .refusalDelta), ("response.refusal.done", .refusalDone),
    ("response.function_call_arguments.delta", .functionCallArgumentsDelta),
    ("response.function_call_arguments.done", .functionCallArgumentsDone),
    ("response.custom_tool_call_input.delta", .customToolCallInputDelta),
    ("response.custom_tool_call_input.done", .customToolCallInputDone),
    ("response.reasoning_summary_part.added", .reasoningSummaryPartAdded),
    ("response.reasoning_summary_part.done", .reasoningSummaryPartDone),
    ("response.reasoning_summary_text.delta", .reasoningSummaryTextDelta),
    ("response.reasoning_summary_text.done", .reasoningSummaryTextDone),
    ("response.reasoning_text.delta", .reasoningTextDelta),
    ("response.reasoning_text.done", .reasoningTextDone),
  ]

  static func kind(_ type: String) -> EventKind {
    Array(type.utf8).withUnsafeBytes { EventKind(type: $0) }
  }

  @Test("each type is recognised, and nothing that differs from it in one byte", arguments: types)
  func recognised(_ type: String, _ kind: EventKind) {
    #expect(Self.kind(type) == kind)
    for index in type.utf8.indices {
      var other = Array(type.utf8)
      other[other.index(0, offsetBy: type.utf8.distance(from: type.utf8.startIndex, to: index))] ^= 1
      #expect(Self.kind(String(decoding: other, as: UTF8.self)) == .other)
    }
    #expect(Self.kind(type + "s") == .other)
    #expect(Self.kind(String(type.dropLast())) == .other)
  }

  @Test("every kind but other and notice has a type that is recognised")
  func complete() {
    let recognised = Set(Self.types.map(\.1.rawValue))
    let all = Set(EventKind.allCases.map(\.rawValue))
    #expect(all.subtracting(recognised) == [EventKind.other.rawValue, EventKind.notice.rawValue])
  }

  @Test("only the end of a response is terminal, and nothing terminal is output")
  func terminal() {
    let terminal = EventKind.allCases.filter(\.isTerminal)
    #expect(terminal == [.responseCompleted, .responseFailed, .responseIncomplete])
    #expect(EventKind.allCases.filter { $0.isOutput }.count == 18)
    #expect(EventKind.allCases.allSatisfy { !($0.isOutput && $0.isTerminal) })
  }
}
