import RWSNetwork
import RWSTokens

/// Measures input on the callers' threads, so that the loop need not. A counter serves one thread at a time; some that
/// nobody uses are kept, with what they have learned of the text.
final class TokenCounters: @unchecked Sendable {
  let vocabulary: Vocabulary?
  private let lock = Lock()
  private var spare: [ItemCounter] = []

  private static let spareMax = 4

  init(_ vocabulary: Vocabulary?) { self.vocabulary = vocabulary }

  func measure(_ input: TurnInput) -> TextMeasure {
    let counter = lock.withLock { spare.popLast() } ?? ItemCounter(vocabulary)
    defer { lock.withLock { if spare.count < Self.spareMax { spare.append(counter) } } }
    return input.lasting.joined.withUnsafeBytes { counter.measure(items: $0) }
  }
}

extension ClientOptions {
  /// Read now, so that a file that is none fails the client and not its first turn.
  func vocabulary() throws(ResponsesError) -> Vocabulary? {
    guard let path = vocabularyFile else { return nil }
    do {
      let file = try FileContents.read(path, bytesMax: Vocabulary.fileByteLimit)
      return try file.withUnsafeBytes { try Vocabulary($0) }
    } catch let failure as FileFailure {
      throw ResponsesError(.invalidArgument, "The vocabulary_file \(path) \(failure.reason).")
    } catch {
      throw ResponsesError(.invalidArgument, "The vocabulary_file \(path) is not usable: \(error).")
    }
  }
}
