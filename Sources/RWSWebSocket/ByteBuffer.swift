/// The buffer would have to grow past its limit. Nothing was allocated or written.
package struct BufferFull: Error, Equatable, Sendable {
  package let limitBytes: Int
}

/// A bounded, growable region of bytes with one owner: written at its tail, consumed at its head. The network
/// layer reads from the socket straight into `reserve(_:)`'s memory, and frames are used where they lie.
///
/// Pointers into the buffer stay valid until the next `reserve`, `append` or `shrink`; `consume` moves no
/// byte, so that a message can be consumed first and then handed out in place.
package struct ByteBuffer: ~Copyable, @unchecked Sendable {
  private var memory: UnsafeMutableRawPointer?
  private var capacity = 0
  private var start = 0
  private var end = 0
  package let bytesMax: Int

  private static let firstCapacity = 1024

  package init(bytesMax: Int) {
    self.bytesMax = max(0, bytesMax)
  }

  deinit { memory?.deallocate() }

  package var count: Int { end &- start }
  package var isEmpty: Bool { start == end }

  /// Memory held, used or not.
  package var allocatedBytes: Int { capacity }

  /// The bytes that were written and not yet consumed.
  package var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(mutableBytes)
  }

  var mutableBytes: UnsafeMutableRawBufferPointer {
    guard let memory else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
    return UnsafeMutableRawBufferPointer(start: memory + start, count: count)
  }

  /// The free tail, at least `minimum` bytes long and often longer. `commit(_:)` says how much of it was
  /// filled.
  package mutating func reserve(
    _ minimum: Int
  ) throws(BufferFull) -> UnsafeMutableRawBufferPointer {
    if let memory, capacity &- end >= minimum {
      return UnsafeMutableRawBufferPointer(start: memory + end, count: capacity &- end)
    }
    guard minimum <= bytesMax &- count else { throw BufferFull(limitBytes: bytesMax) }
    makeRoom(max(0, minimum))
    guard let memory else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
    return UnsafeMutableRawBufferPointer(start: memory + end, count: capacity &- end)
  }

  /// Moves the content down if that pays (never more bytes than were consumed before it, or there is no
  /// other way), else moves it to memory of at least twice the size.
  private mutating func makeRoom(_ minimum: Int) {
    if let memory, capacity &- count >= minimum, start >= count || capacity == bytesMax {
      memory.copyMemory(from: memory + start, byteCount: count)
      end = count
      start = 0
      return
    }
    // Both terms stay below bytesMax before `min` takes effect: no overflow for any limit.
    let doubled = capacity > bytesMax / 2 ? bytesMax : capacity * 2
    move(toCapacity: min(bytesMax, max(doubled, count + minimum, Self.firstCapacity)))
  }

  private mutating func move(toCapacity newCapacity: Int) {
    let used = count
    let target = UnsafeMutableRawPointer.allocate(byteCount: newCapacity, alignment: 16)
    if let memory {
      target.copyMemory(from: memory + start, byteCount: used)
      memory.deallocate()
    }
    memory = target
    capacity = newCapacity
    start = 0
    end = used
  }

  /// `written` bytes of the memory that `reserve` gave are content now.
  package mutating func commit(_ written: Int) {
    end &+= min(max(0, written), capacity &- end)
  }

  /// Drops bytes from the head; they stay readable until the next `reserve`, `append` or `shrink`.
  package mutating func consume(_ taken: Int) {
    start &+= min(max(0, taken), count)
    if start == end {
      start = 0
      end = 0
    }
  }

  package mutating func append(_ source: UnsafeRawBufferPointer) throws(BufferFull) {
    guard source.count > 0 else { return }
    let room = try reserve(source.count)
    room.copyMemory(from: source)
    commit(source.count)
  }

  package mutating func append(_ source: [UInt8]) throws(BufferFull) {
    try source.withRawBytes { bytes throws(BufferFull) in try append(bytes) }
  }

  package mutating func append(_ text: String) throws(BufferFull) {
    try append(Array(text.utf8))
  }

  /// Gives back memory that the content does not need: all of it when the buffer is empty. For idle
  /// connections.
  package mutating func shrink() {
    if isEmpty {
      memory?.deallocate()
      memory = nil
      capacity = 0
      start = 0
      end = 0
    } else if capacity / 2 > count {
      move(toCapacity: count)
    }
  }
}

extension [UInt8] {
  /// `withUnsafeBytes` for a body with a typed error.
  func withRawBytes<Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    let result = withUnsafeBytes { bytes -> Result<Void, Failure> in
      do throws(Failure) {
        return .success(try body(bytes))
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }
}
