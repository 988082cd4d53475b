/// What a valid JSON number stands for.
package enum JSONNumber {
  /// The value of an integer as written: nil for a fraction or an exponent, and beyond Int64.
  package static func integer(_ number: UnsafeRawBufferPointer) -> Int64? {
    let text = JSONText(number)
    guard text.count > 0 else { return nil }
    let isNegative = text[0] == ASCII.minus
    let start = isNegative ? 1 : 0
    // Nineteen digits fit into 64 bits without a sign, and no JSON number begins with idle zeros.
    guard start < text.count, text.count &- start <= 19 else { return nil }
    var magnitude: UInt64 = 0
    for index in start..<text.count {
      let digit = text[index] &- ASCII.zero
      guard digit <= 9 else { return nil }
      magnitude = magnitude &* 10 &+ UInt64(digit)
    }
    guard isNegative else { return Int64(exactly: magnitude) }
    // Int64.min has no positive counterpart.
    return magnitude <= Int64.min.magnitude ? 0 &- Int64(truncatingIfNeeded: magnitude) : nil
  }

  /// The nearest Double; nil beyond its range.
  package static func double(_ number: UnsafeRawBufferPointer) -> Double? {
    guard let value = Double(String(decoding: number, as: UTF8.self)), value.isFinite else {
      return nil
    }
    return value
  }
}
