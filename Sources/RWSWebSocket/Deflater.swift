import CZlib

/// Compresses the messages that one side sends (RFC 7692 §7.2.1). Nothing is allocated before the first.
///
/// The context of earlier messages pays for itself in this protocol: instructions and tools are the same in
/// every request. But zlib's compressor is large (256 KiB for a client), so an idle connection keeps only the
/// last bytes of its window, and the next message starts from them. A sender may always refer to less than
/// it could; the peer notices nothing.
final class Deflater {
  /// How much memory compression may take on one side: 256 KiB for a client, which has few connections and
  /// sends histories, half of it for a server, which has many.
  private struct Effort {
    let level: Int32
    let windowBits: Int
    let memLevel: Int32

    /// Level 4 halves the time of zlib's default 6 and gives up some 5 % in size.
    init(_ role: Role) {
      level = 4
      switch role {
      case .client:
        windowBits = 15
        memLevel = 8
      case .server:
        windowBits = 14
        memLevel = 7
      }
    }
  }

  private let effort: Effort
  private let windowBits: Int
  let keepsContext: Bool
  /// On the heap: zlib's state points back at it.
  private var stream: UnsafeMutablePointer<z_stream>?
  /// The end of the window, while there is no stream.
  private var dictionary: [UInt8] = []
  /// Bytes of the last message; they are the window's last.
  private var lastCount = 0
  private var compressed = ByteBuffer(bytesMax: .max)

  private static let tailBytes = 4
  /// A sync flush into less room than this repeats its marker.
  private static let roomMin = 64

  /// nil where zlib cannot do what was agreed.
  init?(role: Role, windowBits: Int, keepsContext: Bool) {
    guard windowBits >= DeflateParameters.producibleWindowBitsMin else { return nil }
    effort = Effort(role)
    self.windowBits = min(windowBits, effort.windowBits)
    self.keepsContext = keepsContext
  }

  deinit { release() }

  /// The compressed message without the flush's tail, valid until the next call; nil if there is no memory
  /// for it, and then the message must be sent as it is. The peer will expect the next message to build on this one: who
  /// does not send what was answered must call `reset`.
  func compress(_ message: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    compressed.consume(compressed.count)
    guard let stream = usableStream() else { return nil }
    var rest = UnsafeRawBufferPointer(rebasing: message.dropFirst(repeatBeginning(of: message, stream)))
    repeat {
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.callBytesMax))
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
      guard deflate(part, stream, rest.isEmpty ? Z_SYNC_FLUSH : Z_NO_FLUSH) else {
        reset()
        return nil
      }
    } while !rest.isEmpty
    if keepsContext { lastCount = message.count } else { deflateReset(stream) }
    let bytes = compressed.bytes
    return UnsafeRawBufferPointer(rebasing: bytes.dropLast(Self.tailBytes))
  }

  /// Forgets the window: the next message refers to nothing.
  func reset() {
    dictionary = []
    lastCount = 0
    if let stream { deflateReset(stream) }
  }

  /// Gives back everything but the end of the window, and that too if it is not taken over.
  func shrink() {
    compressed.consume(compressed.count)
    compressed.shrink()
    guard let stream else { return }
    if keepsContext { keepDictionary(of: stream) }
    release()
  }

  var holdsStream: Bool { stream != nil }

  var allocatedBytes: Int {
    // zconf.h says what deflate takes.
    let state = 1 << (windowBits + 2) + 1 << (Int(effort.memLevel) + 9)
    return compressed.allocatedBytes + dictionary.count + (stream == nil ? 0 : state)
  }

  /// Says of the message's beginning that it equals the last message's, if so much does that it pays.
  /// - Returns: The bytes said, which zlib has in its window then.
  private func repeatBeginning(
    of message: UnsafeRawBufferPointer, _ stream: UnsafeMutablePointer<z_stream>
  ) -> Int {
    // Something is left for zlib: its flush ends the message.
    let comparable = UnsafeRawBufferPointer(rebasing: message.prefix(min(lastCount, max(0, message.count - 1))))
    guard comparable.count >= RepeatedBlock.countMin, lastCount <= 1 << windowBits - Self.lookaheadBytes
    else { return 0 }
    let same = withLastMessage(of: stream) { Self.sameBytes(comparable, $0) }
    guard let block = RepeatedBlock(repeating: same, distance: lastCount),
      let room = try? compressed.reserve(block.bytesMax),
      deflateSetDictionary(
        stream, comparable.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32(block.coveredBytes)) == Z_OK
    else { return 0 }
    compressed.commit(block.write(to: room))
    return block.coveredBytes
  }

  /// It is in zlib's window; nothing else keeps it.
  private func withLastMessage(
    of stream: UnsafeMutablePointer<z_stream>, _ body: (UnsafeRawBufferPointer) -> Int
  ) -> Int {
    withUnsafeTemporaryAllocation(byteCount: 1 << windowBits, alignment: 16) { window in
      var count: UInt32 = 0
      guard
        deflateGetDictionary(stream, window.baseAddress?.assumingMemoryBound(to: UInt8.self), &count) == Z_OK,
        lastCount <= count, count <= window.count
      else { return 0 }
      return body(UnsafeRawBufferPointer(rebasing: window[Int(count) - lastCount..<Int(count)]))
    }
  }

  /// From their beginnings, to whole words; the second is as long as the first at least.
  private static func sameBytes(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
    var same = 0
    while left.count - same >= 8,
      left.loadUnaligned(fromByteOffset: same, as: UInt64.self)
        == right.loadUnaligned(fromByteOffset: same, as: UInt64.self)
    {
      same += 8
    }
    return same
  }

  /// zlib refers to nothing that far back in its window (zconf.h, deflate.h), and a peer may do as it does.
  private static let lookaheadBytes = 262

  /// zlib counts in 32 bits.
  private static let callBytesMax = 1 << 30

  private func deflate(
    _ part: UnsafeRawBufferPointer, _ stream: UnsafeMutablePointer<z_stream>, _ flush: Int32
  ) -> Bool {
    stream.pointee.next_in = part.baseAddress.map {
      UnsafeMutablePointer(mutating: $0.assumingMemoryBound(to: UInt8.self))
    }
    stream.pointee.avail_in = UInt32(part.count)
    repeat {
      let room: UnsafeMutableRawBufferPointer
      do throws(BufferFull) {
        room = try compressed.reserve(max(Self.roomMin, Int(stream.pointee.avail_in) / 8))
      } catch {
        return false
      }
      let free = min(room.count, Self.callBytesMax)
      stream.pointee.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_out = UInt32(free)
      guard CZlib.deflate(stream, flush) != Z_STREAM_ERROR else { return false }
      compressed.commit(free - Int(stream.pointee.avail_out))
    } while stream.pointee.avail_out == 0
    return stream.pointee.avail_in == 0
  }

  private func usableStream() -> UnsafeMutablePointer<z_stream>? {
    if let stream { return stream }
    let made = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    made.initialize(to: z_stream())
    guard
      zlib_deflate_init_raw(made, effort.level, Int32(windowBits), effort.memLevel) == Z_OK
    else {
      made.deallocate()
      return nil
    }
    if !dictionary.isEmpty {
      // If zlib refuses it, the message refers to nothing: as good, only larger.
      deflateSetDictionary(made, dictionary, UInt32(dictionary.count))
      dictionary = []
    }
    stream = made
    return made
  }

  private func keepDictionary(of stream: UnsafeMutablePointer<z_stream>) {
    var count: UInt32 = 0
    guard deflateGetDictionary(stream, nil, &count) == Z_OK else { return }
    let capacity = Int(count)
    dictionary = [UInt8](unsafeUninitializedCapacity: capacity) { bytes, used in
      used = deflateGetDictionary(stream, bytes.baseAddress, &count) == Z_OK ? capacity : 0
    }
  }

  private func release() {
    guard let stream else { return }
    deflateEnd(stream)
    stream.deallocate()
    self.stream = nil
  }
}
