/// The bytes that the grammar is applied to: a pointer that is never null and a length, which compile
/// to less than `UnsafeRawBufferPointer`. No access is checked here; whoever indexes has compared
/// with `count` before.
///
/// The types of this module that hot loops use are `@usableFromInline`: without it `@inlinable` on
/// a member of a `package` type has no effect and says nothing (Swift 6.3; it cost the scanner a fifth).
@usableFromInline
package struct JSONText {
  @usableFromInline let base: UnsafeRawPointer
  @usableFromInline package let count: Int

  @inlinable @inline(__always)
  package init(_ bytes: UnsafeRawBufferPointer) {
    // An empty buffer may have no address; then nothing is read either.
    base = bytes.baseAddress ?? UnsafeRawPointer(("" as StaticString).utf8Start)
    count = bytes.count
  }

  @inlinable @inline(__always)
  init(base: UnsafeRawPointer, count: Int) {
    self.base = base
    self.count = count
  }

  @inlinable @inline(__always)
  subscript(index: Int) -> UInt8 {
    base.load(fromByteOffset: index, as: UInt8.self)
  }

  @inlinable @inline(__always)
  func word(at index: Int) -> UInt64 {
    base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
  }

  /// Empty if the range is not one of this text.
  @inlinable @inline(__always)
  package func slice(_ start: Int, _ end: Int) -> JSONText {
    guard start >= 0, start <= end, end <= count else { return JSONText(base: base, count: 0) }
    return JSONText(base: base + start, count: end &- start)
  }

  @inlinable @inline(__always)
  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }
}
