import RWSJSON

/// Tokens as the server counted them; -1: not reported.
public struct Usage: Equatable, Sendable {
  public private(set) var inputTokens: Int64 = -1
  /// Of the input, read from the prompt cache.
  public private(set) var cachedTokens: Int64 = -1
  /// Of the input, written to the prompt cache.
  public private(set) var cacheWriteTokens: Int64 = -1
  public private(set) var outputTokens: Int64 = -1
  /// Of the output.
  public private(set) var reasoningTokens: Int64 = -1
  public private(set) var totalTokens: Int64 = -1

  /// Nil if `usage` is no object.
  package init?(_ usage: UnsafeRawBufferPointer) {
    guard !usage.isEmpty else { return nil }
    readMembers(of: usage) { key, cursor throws(JSONError) in
      switch key {
      case "input_tokens": inputTokens = try cursor.takeCount()
      case "output_tokens": outputTokens = try cursor.takeCount()
      case "total_tokens": totalTokens = try cursor.takeCount()
      case "input_tokens_details":
        let details = try cursor.takeObject()
        cachedTokens = Self.count("cached_tokens", of: details)
        cacheWriteTokens = Self.count("cache_write_tokens", of: details)
      case "output_tokens_details":
        reasoningTokens = Self.count("reasoning_tokens", of: try cursor.takeObject())
      default: _ = try cursor.takeMember()
      }
    }
  }

  private static func count(_ name: StaticString, of details: UnsafeRawBufferPointer) -> Int64 {
    var count: Int64 = -1
    readMembers(of: details) { key, cursor throws(JSONError) in
      switch key {
      case name: count = try cursor.takeCount()
      default: _ = try cursor.takeMember()
      }
    }
    return count
  }
}
