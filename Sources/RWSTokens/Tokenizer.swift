import RWSJSON

/// Counts the tokens of texts, or lists them, as the `tiktoken` package does (`encode_ordinary`: special
/// tokens are text). What is not UTF-8 counts as U+FFFD.
///
/// Works in memory of its own, kept from text to text: one for each thread.
package final class Tokenizer {
  /// A piece of more bytes (letters, or spaces, and nothing else between) is cut there, for what merging
  /// takes; the count may then be off by one for each cut.
  package static let pieceByteLimit = 1 << 20

  package let vocabulary: Vocabulary
  private let table: TokenTable
  private let merger: PairMerger
  private let cache = PieceCache()

  package init(_ vocabulary: Vocabulary) {
    self.vocabulary = vocabulary
    table = vocabulary.table
    merger = PairMerger(vocabulary.table)
  }

  package func count(_ utf8: UnsafeRawBufferPointer) -> Int {
    var count = 0
    withText(utf8) { text in
      forEachPiece(of: text) { piece, length, readable in
        count &+= table.isToken(piece, length, readable: readable)
          ? 1
          : cache.count(of: piece, length, readable: readable) {
            merger.merge(piece, length, readable: readable) { _, _ in }
          }
      }
    }
    return count
  }

  package func encode(_ utf8: UnsafeRawBufferPointer) -> [UInt32] {
    var ranks: [UInt32] = []
    withText(utf8) { text in
      forEachPiece(of: text) { piece, length, readable in
        let rank = table.rank(piece, length, readable: readable)
        guard rank == TokenTable.none else { return ranks.append(rank) }
        _ = merger.merge(piece, length, readable: readable) { start, end in
          ranks.append(table.rank(piece + start, end &- start, readable: readable &- start))
        }
      }
    }
    return ranks
  }

  @inline(__always)
  private func forEachPiece(
    of text: UnsafeBufferPointer<UInt8>,
    _ take: (_ piece: UnsafePointer<UInt8>, _ length: Int, _ readable: Int) -> Void
  ) {
    guard let base = text.baseAddress else { return }
    let pattern = vocabulary.pattern
    let splitter = PieceSplitter(base: base, count: text.count, classes: .shared)
    var start = 0
    while start < text.count {
      let end = splitter.end(from: start, pattern)
      while end &- start > Self.pieceByteLimit {
        take(base + start, Self.pieceByteLimit, text.count &- start)
        start &+= Self.pieceByteLimit
      }
      take(base + start, end &- start, text.count &- start)
      start = end
    }
  }

  @inline(__always)
  private func withText(
    _ utf8: UnsafeRawBufferPointer, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    guard !JSONText(utf8).isUTF8 else { return body(utf8.bindMemory(to: UInt8.self)) }
    // The standard library replaces what is broken.
    Array(String(decoding: utf8, as: UTF8.self).utf8).withUnsafeBufferPointer(body)
  }
}
