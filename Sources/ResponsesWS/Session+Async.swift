import RWSClient
import RWSProtocol

/// The same without threads that wait. A cancelled task does not end what the server was asked for.
extension Session {
  /// As `compact(ifOver:timeout:)`, without a limit of its own.
  @discardableResult
  public func compact(ifOver tokens: Int64? = nil) async throws -> Compaction? {
    try await answered { try whenCompacted(ifOver: tokens, $0) } answer: {
      try compact(ifOver: tokens, timeout: .zero)
    }
  }

  /// As `countTokens(_:timeout:)`, without a limit of its own.
  public func countTokens(_ input: [InputItem] = []) async throws -> Int64 {
    let checked = try InputItem.checked(input)
    return try await answered { try whenCounted(checked, $0) } answer: {
      try countTokens(checked, timeout: .zero)
    }
  }

  private func answered<Answer>(
    _ wait: (@escaping @Sendable () -> Void) throws -> Void, answer: () throws -> Answer
  ) async throws -> Answer {
    while true {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        do {
          try wait { continuation.resume() }
        } catch {
          continuation.resume(throwing: error)
        }
      }
      do {
        return try answer()
      } catch let error as ResponsesError where error.status == .timeout {
        // Somebody else has taken the answer: ask again.
      }
    }
  }
}
