import Testing

@testable import RWSWebSocket

@Suite struct ByteBufferTests {
  @Test("content survives growth, compaction and shrinking")
  func contentSurvives() throws {
    var random = SeededRandom(seed: 1)
    var buffer = ByteBuffer(bytesMax: 100_000)
    var model: [UInt8] = []
    for step in 0..<2000 {
      let bytes = (0..<Int.random(in: 0...300, using: &random)).map {
        UInt8(truncatingIfNeeded: $0 &+ step)
      }
      try buffer.append(bytes)
      model += bytes
      let taken = Int.random(in: 0...min(model.count, 310), using: &random)
      buffer.consume(taken)
      model.removeFirst(taken)
      if step % 50 == 0 { buffer.shrink() }
      guard Array(buffer.bytes) == model else {
        Issue.record("content differs after step \(step)")
        return
      }
    }
  }

  @Test("growing past the limit is an error and takes no memory")
  func limit() throws {
    var buffer = ByteBuffer(bytesMax: 10)
    #expect(throws: BufferFull(limitBytes: 10)) { _ = try buffer.reserve(11) }
    expectSame(buffer.allocatedBytes, 0)
    try buffer.append([UInt8](repeating: 7, count: 8))
    #expect(throws: BufferFull(limitBytes: 10)) { _ = try buffer.reserve(3) }
    #expect(throws: BufferFull(limitBytes: 10)) { _ = try buffer.reserve(Int.max) }
    buffer.consume(1)
    expectSame(try buffer.reserve(3).count, 3)
    expectSame(Array(buffer.bytes), [UInt8](repeating: 7, count: 7))
  }

  @Test("absurd counts change nothing that must not change")
  func absurdCounts() throws {
    var buffer = ByteBuffer(bytesMax: 100)
    buffer.commit(5)
    buffer.consume(5)
    expectSame(buffer.isEmpty, true)
    try buffer.append([1, 2, 3])
    buffer.consume(-1)
    buffer.commit(-1)
    expectSame(Array(buffer.bytes), [1, 2, 3])
    buffer.commit(Int.max)
    expectSame(buffer.count, buffer.allocatedBytes)
    buffer.consume(Int.max)
    expectSame(buffer.isEmpty, true)
    _ = try buffer.reserve(Int.min)
    var none = ByteBuffer(bytesMax: -1)
    #expect(throws: BufferFull(limitBytes: 0)) { try none.append([1]) }
    expectSame(try none.reserve(0).count, 0)
  }

  @Test("an empty buffer gives all its memory back, a sparse one most of it")
  func shrinking() throws {
    var buffer = ByteBuffer(bytesMax: 1 << 20)
    try buffer.append([UInt8](repeating: 1, count: 50_000))
    buffer.consume(49_990)
    buffer.shrink()
    expectSame(buffer.allocatedBytes, 10)
    expectSame(buffer.count, 10)
    buffer.consume(10)
    buffer.shrink()
    expectSame(buffer.allocatedBytes, 0)
    try buffer.append([9])
    expectSame(Array(buffer.bytes), [9])
  }

  @Test("consumed bytes stay readable in place until the next change")
  func consumedInPlace() throws {
    var buffer = ByteBuffer(bytesMax: 100)
    try buffer.append([1, 2, 3])
    let bytes = buffer.bytes
    buffer.consume(3)
    #expect(Array(bytes) == [1, 2, 3])
  }
}
