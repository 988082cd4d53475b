/// Memory for one text after the other, kept unless a text was large.
struct ScratchBytes: ~Copyable {
  private static let keptLimit = 256 << 10
  private var buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)

  deinit { buffer.deallocate() }

  mutating func withBytes(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Void) {
    if buffer.count < count { replace(max(count, 2 &* buffer.count)) }
    body(buffer)
    if buffer.count > Self.keptLimit { replace(0) }
  }

  private mutating func replace(_ count: Int) {
    buffer.deallocate()
    buffer = .allocate(byteCount: count, alignment: 1)
  }
}
