import RWSJSON

/// Tokens as the server counted them; -1: not reported.
package struct Usage: Equatable, Sendable {
  package private(set) var input: Int64 = -1
  /// Of the input, read from the prompt cache.
  package private(set) var cached: Int64 = -1
  /// Of the input, written to the prompt cache.
  package private(set) var cacheWrite: Int64 = -1
  package private(set) var output: Int64 = -1
  /// Of the output.
  package private(set) var reasoning: Int64 = -1
  package private(set) var total: Int64 = -1

  /// Nil if `usage` is no object.
  package init?(_ usage: UnsafeRawBufferPointer) {
    guard !usage.isEmpty else { return nil }
    readMembers(of: usage) { key, cursor throws(JSONError) in
      switch key {
      case "input_tokens": input = try cursor.takeCount()
      case "output_tokens": output = try cursor.takeCount()
      case "total_tokens": total = try cursor.takeCount()
      case "input_tokens_details":
        let details = try cursor.takeObject()
        cached = Self.count("cached_tokens", of: details)
        cacheWrite = Self.count("cache_write_tokens", of: details)
      case "output_tokens_details":
        reasoning = Self.count("reasoning_tokens", of: try cursor.takeObject())
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
