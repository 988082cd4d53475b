/// What a valid JSON number stands for.
package enum JSONNumber {
  /// The value of an integer as written: nil for a fraction or an exponent, and beyond Int64.
  package static func integer(_ number: UnsafeRawBufferPointer) -> Int64? {
    guard let first = number.first else { return nil }
    let isNegative = first == ASCII.minus
    let digits = UnsafeRawBufferPointer(rebasing: isNegative ? number[1...] : number[...])
    guard !digits.isEmpty else { return nil }
    var value: Int64 = 0
    for byte in digits {
      let digit = Int64(byte &- ASCII.zero)
      guard digit <= 9 else { return nil }
      // Negative all the way: Int64.min has no positive counterpart.
      let (tens, overflowed) = value.multipliedReportingOverflow(by: 10)
      let (next, overflowedAgain) = tens.subtractingReportingOverflow(digit)
      if overflowed || overflowedAgain { return nil }
      value = next
    }
    if isNegative { return value }
    return value == .min ? nil : -value
  }

  /// The nearest Double; nil beyond its range.
  package static func double(_ number: UnsafeRawBufferPointer) -> Double? {
    guard let value = Double(String(decoding: number, as: UTF8.self)), value.isFinite else {
      return nil
    }
    return value
  }
}
