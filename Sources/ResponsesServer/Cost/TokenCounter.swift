import RWSJSON
import RWSTokens

/// Counts what the model reads: with a vocabulary as the service does, without one by a rule. Counting with a
/// vocabulary is work, as it is there; who has a count keeps it. One for each thread.
package final class TokenCounter {
  /// Role and delimiters around an item.
  static let perItem = 4

  private let tokenizer: Tokenizer?

  package init(_ vocabulary: Vocabulary? = nil) {
    tokenizer = vocabulary.map { Tokenizer($0) }
  }

  /// By what the model reads, not by the JSON around it: a replayed context then counts the same as the
  /// chained one, however the client spells its JSON.
  func count(_ item: Item) -> Int {
    switch item.kind {
    case .message, .call, .output, .reasoning:
      guard tokenizer != nil, let name = item.name else {
        return Self.perItem + count(item.text, besides: item.name?.utf8.count ?? 0)
      }
      return Self.perItem + count(item.text) + count(name)
    case .compaction: return Self.perItem + count(item.summary?.firstUserText ?? "")
    case .compactionTrigger: return Self.perItem
    case .reference, .other: return Self.perItem + item.json.withUnsafeBytes { count($0) }
    }
  }

  /// Instructions and tools stand before the items.
  func countSettings(of request: ResponseRequest) -> Int {
    count(request["instructions"]?.string ?? "")
      + (request["tools"].map { $0.withBytes { count($0) } } ?? 0)
  }

  /// As much of a text as so many tokens are; nil: all of it.
  func beginning(of text: String, tokens: Int) -> String? {
    guard count(text) > tokens else { return nil }
    var low = 0
    var high = text.count
    while low < high {
      let middle = (low + high + 1) / 2
      if count(String(text.prefix(middle))) <= tokens { low = middle } else { high = middle - 1 }
    }
    return String(text.prefix(low))
  }

  func count(_ text: String, besides more: Int = 0) -> Int {
    guard tokenizer != nil else { return Self.rule(bytes: text.utf8.count + more) }
    var text = text
    return text.withUTF8 { count(UnsafeRawBufferPointer($0)) }
  }

  private func count(_ bytes: UnsafeRawBufferPointer) -> Int {
    tokenizer?.count(bytes) ?? Self.rule(bytes: bytes.count)
  }

  /// Four bytes are a token.
  private static func rule(bytes: Int) -> Int { (bytes + 3) / 4 }
}
