/// Names of lanes: index 0 is the default lane, which has none; others are `lane-1` … `lane-32`
/// (protocol.md: `[A-Za-z0-9_.-]{1,256}`).
enum LaneName {
  private static let prefix: StaticString = "lane-"

  static func string(_ index: Int) -> String { "\(prefix)\(index)" }

  /// nil: no name that this library gives.
  static func index(_ name: UnsafeRawBufferPointer) -> Int? {
    let digits = name.count - prefix.utf8CodeUnitCount
    guard digits == 1 || digits == 2 else { return nil }
    for offset in 0..<prefix.utf8CodeUnitCount where name[offset] != prefix.utf8Start[offset] {
      return nil
    }
    var index = 0
    for offset in prefix.utf8CodeUnitCount..<name.count {
      let digit = name[offset] &- UInt8(ascii: "0")
      guard digit < 10 else { return nil }
      index = index &* 10 &+ Int(digit)
    }
    return index
  }
}
