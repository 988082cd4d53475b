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
    var rest = message
    repeat {
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.callBytesMax))
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
      guard deflate(part, stream, rest.isEmpty ? Z_SYNC_FLUSH : Z_NO_FLUSH) else {
        reset()
        return nil
      }
    } while !rest.isEmpty
    if !keepsContext { deflateReset(stream) }
    let bytes = compressed.bytes
    return UnsafeRawBufferPointer(rebasing: bytes.dropLast(Self.tailBytes))
  }

  /// Forgets the window: the next message refers to nothing.
  func reset() {
    dictionary = []
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
