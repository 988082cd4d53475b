import CZlib

/// Decompresses the messages that one peer sends (RFC 7692 §7.2.2), each as its bytes come in. Nothing is
/// allocated before the first compressed byte.
///
/// A class, so that a connection without compression pays one word for it.
final class Inflater {
  private let windowBits: Int
  private let keepsContext: Bool
  /// On the heap: zlib's state points back at it.
  private var stream: UnsafeMutablePointer<z_stream>?
  /// A block with BFINAL was the last thing read (§7.2.3.5). zlib calls that the stream's end; what follows,
  /// if anything does, are more blocks that may refer to the same window.
  private var isPastFinalBlock = false
  /// Compressed bytes of the current message.
  private var compressedBytes = 0

  /// A message may be this much larger than what was received of it once it has passed `ratioFreeBytes`.
  /// DEFLATE cannot pass 1032; JSON that a person or a model wrote stays below 50, also where a large part of
  /// it repeats. The limit is for what costs the sender nothing; below `ratioFreeBytes` it is not worth refusing
  /// a message for.
  static let ratioMax = 256
  static let ratioFreeBytes = 16 << 20

  /// What a sync flush ends with and the sender takes off each message (§7.2.1).
  static let tail: (UInt8, UInt8, UInt8, UInt8) = (0x00, 0x00, 0xFF, 0xFF)
  /// What zlib 1.2 and 1.3 allocate besides the window.
  private static let stateBytes = 7160

  init(windowBits: Int, keepsContext: Bool) {
    // A larger window reads everything that a smaller one does, and old zlib peers that agreed to 8 use 9.
    self.windowBits = max(windowBits, DeflateParameters.producibleWindowBitsMin)
    self.keepsContext = keepsContext
  }

  deinit { release() }

  /// Inflates from the head of `input`, which is advanced, until it is used up or `room` is full. Answers how
  /// many bytes were written, and what is wrong with those that would follow: the bytes before must be judged
  /// first, or the answer would depend on how the input was cut.
  func inflate(
    _ input: inout UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer
  ) throws(ProtocolFailure) -> (written: Int, failure: ProtocolFailure?) {
    guard let source = input.baseAddress, let target = room.baseAddress else { return (0, nil) }
    let stream = try usableStream()
    if isPastFinalBlock { try restart(stream) }
    let given = min(input.count, Self.callBytesMax)
    let free = min(room.count, Self.callBytesMax)
    stream.pointee.next_in = UnsafeMutablePointer(
      mutating: source.assumingMemoryBound(to: UInt8.self))
    stream.pointee.avail_in = UInt32(given)
    stream.pointee.next_out = target.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_out = UInt32(free)
    let result = CZlib.inflate(stream, Z_SYNC_FLUSH)
    let taken = given - Int(stream.pointee.avail_in)
    let written = free - Int(stream.pointee.avail_out)
    switch result {
    case Z_OK: break
    case Z_STREAM_END: isPastFinalBlock = true
    // No progress was possible: fine when everything had been read, and only then.
    case Z_BUF_ERROR where taken == given || written == free: break
    case Z_MEM_ERROR: throw .inflaterUnavailable
    default: return (written, .invalidCompressedData)
    }
    input = UnsafeRawBufferPointer(rebasing: input[taken...])
    compressedBytes &+= taken
    return (written, nil)
  }

  /// Whether the current message has grown beyond `ratioMax`.
  func isOverdrawn(inflatedBytes: Int) -> Bool {
    inflatedBytes > Self.ratioFreeBytes && inflatedBytes / Self.ratioMax > compressedBytes
  }

  /// Whether `tail` is to be inflated after the message's last byte. Nothing is missing after a final block
  /// whose sender left out the empty block behind it, nor where there was nothing at all.
  var lacksTail: Bool { !isPastFinalBlock && compressedBytes > 0 }

  /// The message is over, tail included.
  func finishMessage() throws(ProtocolFailure) {
    defer { compressedBytes = 0 }
    guard let stream else { return }
    // 128: zlib stands between two blocks; the low bits count bits of the last byte that were not used.
    guard isPastFinalBlock || stream.pointee.data_type & 0b1011_1111 == 128 else {
      throw .invalidCompressedData
    }
    guard !keepsContext else { return }
    isPastFinalBlock = false
    guard inflateReset(stream) == Z_OK else { throw .inflaterUnavailable }
  }

  /// Gives back what an idle connection does not need: everything, unless the next message may refer to this
  /// one's window or a message is half received.
  func shrink() {
    if !keepsContext, compressedBytes == 0 { release() }
  }

  var allocatedBytes: Int { stream == nil ? 0 : Self.stateBytes + 1 << windowBits }

  /// zlib counts in 32 bits.
  private static let callBytesMax = 1 << 30

  private func usableStream() throws(ProtocolFailure) -> UnsafeMutablePointer<z_stream> {
    if let stream { return stream }
    let made = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    made.initialize(to: z_stream())
    guard zlib_inflate_init_raw(made, Int32(windowBits)) == Z_OK else {
      made.deallocate()
      throw .inflaterUnavailable
    }
    stream = made
    return made
  }

  /// `inflateReset` forgets the window, so it is carried over.
  private func restart(_ stream: UnsafeMutablePointer<z_stream>) throws(ProtocolFailure) {
    isPastFinalBlock = false
    var count: UInt32 = 0
    let result = withUnsafeTemporaryAllocation(
      of: UInt8.self, capacity: 1 << DeflateParameters.windowBitsMax
    ) { window in
      guard inflateGetDictionary(stream, window.baseAddress, &count) == Z_OK else {
        return Z_STREAM_ERROR
      }
      guard inflateReset(stream) == Z_OK else { return Z_STREAM_ERROR }
      return count == 0 ? Z_OK : inflateSetDictionary(stream, window.baseAddress, count)
    }
    guard result == Z_OK else { throw .inflaterUnavailable }
  }

  private func release() {
    guard let stream else { return }
    inflateEnd(stream)
    stream.deallocate()
    self.stream = nil
    isPastFinalBlock = false
  }
}
