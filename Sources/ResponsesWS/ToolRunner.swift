import RWSClient

/// Runs single calls, from approval to result.
struct ToolRunner: Sendable {
  enum Ended: Sendable {
    case result(ToolResult)
    /// It was cancelled before it began.
    case notBegun
    /// The approval threw.
    case failed(any Error)
  }

  let tools: [String: Tool]
  let approve: Tool.Approve?
  /// nil: no limit.
  let timeout: Duration?
  let slots: Slots

  func run(_ call: ToolCall, effects: [ToolResult]) async -> Ended {
    guard let tool = tools[call.name] else { return .result(.unknown(call, tools)) }
    if let problem = call.argumentsProblem { return .result(.invalid(call, problem)) }
    if let approve = tool.approve ?? approve {
      do {
        if case .denied(let reason) = try await approve(call, effects) {
          return .result(.denied(call, reason))
        }
      } catch {
        return .failed(error)
      }
    }
    guard await slots.acquire() else { return .notBegun }
    let result = await result(of: tool, call)
    await slots.release()
    return .result(result)
  }

  /// The tool is a task of its own, which nobody waits for once its time is over: structured tasks could not be
  /// left behind.
  private func result(of tool: Tool, _ call: ToolCall) async -> ToolResult {
    let (ends, end) = AsyncStream<ToolResult>.makeStream(bufferingPolicy: .bufferingOldest(1))
    let work = Task {
      do {
        end.yield(ToolResult(call: call, output: try await tool.function(call), ending: .returned))
      } catch {
        end.yield(.threw(call, error))
      }
    }
    let clock = (tool.timeout ?? timeout).map { limit in
      Task {
        try await Task.sleep(for: limit)
        end.yield(.timedOut(call, limit))
      }
    }
    // The iteration ends without an element when this task is cancelled.
    var iterator = ends.makeAsyncIterator()
    let first = await iterator.next()
    clock?.cancel()
    work.cancel()
    return first ?? .interrupted(call)
  }
}
