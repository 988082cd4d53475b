/// Looking for ASCII words in texts that may be megabytes: by bytes, because `String.contains` goes by
/// characters.
enum ByteSearch {
  /// The offset after the first `word` at or after `start`; nil if there is none.
  static func end(of word: StaticString, in text: [UInt8], from start: Int = 0) -> Int? {
    let pattern = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
    guard let first = pattern.first else { return start }
    return text.withUnsafeBufferPointer { bytes in
      var index = max(0, start)
      while index <= bytes.count - pattern.count {
        if bytes[index] == first,
          bytes[index..<(index + pattern.count)].elementsEqual(pattern)
        {
          return index + pattern.count
        }
        index += 1
      }
      return nil
    }
  }

  static func contains(_ word: StaticString, in text: [UInt8]) -> Bool {
    end(of: word, in: text) != nil
  }

  static func isDigit(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
  }

  static func isBlank(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"): true
    default: false
    }
  }
}
