/// The class of every character, from the standard library's Unicode data: pages of 256 characters,
/// equal ones (most of the planes are empty) kept once. Some 50 KB.
final class CharacterClassTable: @unchecked Sendable {
  static let shared = CharacterClassTable()

  private static let pageSize = 256
  private static let pageCount = 0x11_0000 / pageSize

  /// Where each page begins in `classes`.
  private let starts: UnsafeMutablePointer<UInt32>
  private let classes: UnsafeMutablePointer<CharacterClass>
  let byteCount: Int

  private init() {
    var distinct: [[UInt8]: UInt32] = [:]
    var all: [UInt8] = []
    var starts: [UInt32] = []
    for page in 0..<Self.pageCount {
      let classes = Self.page(page)
      let start = distinct[classes] ?? UInt32(truncatingIfNeeded: all.count)
      if distinct.updateValue(start, forKey: classes) == nil { all += classes }
      starts.append(start)
    }
    self.starts = .allocate(capacity: starts.count)
    self.starts.initialize(from: starts, count: starts.count)
    classes = .allocate(capacity: all.count)
    for (index, value) in all.enumerated() {
      (classes + index).initialize(to: CharacterClass(rawValue: value))
    }
    byteCount = all.count + starts.count * MemoryLayout<UInt32>.stride
  }

  deinit {
    starts.deallocate()
    classes.deallocate()
  }

  /// Surrogates are no characters and have no class.
  private static func page(_ number: Int) -> [UInt8] {
    (0..<pageSize).map { index in
      Unicode.Scalar(UInt32(number * pageSize + index)).map { CharacterClass($0).rawValue } ?? 0
    }
  }

  /// Of `scalar`, which must be at most U+10FFFF.
  @inline(__always)
  subscript(scalar: UInt32) -> CharacterClass {
    classes[Int(starts[Int(scalar &>> 8)]) &+ Int(scalar & 0xFF)]
  }

  /// The first page is ASCII and Latin-1.
  @inline(__always)
  subscript(ascii byte: UInt8) -> CharacterClass { classes[Int(byte)] }
}
