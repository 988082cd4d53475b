import RWSWebSocket

extension ByteStream {
  /// Writes until the buffer is empty or the kernel takes no more.
  /// - Returns: why nothing can be written any more; nil: all is well. What the peer said before may still be read.
  func write(from output: inout ByteBuffer) -> StreamFailure? {
    while !output.isEmpty {
      switch write(output.bytes) {
      case .bytes(let count): output.consume(count)
      case .wouldBlock: return nil
      case .failed(let failure): return failure
      }
    }
    output.shrink()
    return nil
  }

  /// Reads once, up to what the buffer has room for.
  func read(into input: inout ByteBuffer, chunk: Int) throws(BufferFull) -> ReadOutcome {
    let outcome = read(into: try input.reserve(chunk))
    if case .bytes(let count) = outcome { input.commit(count) }
    return outcome
  }

  /// Nothing has come, not even an end. What TLS has to say to itself (tickets, keys) is taken in. False: a byte may be
  /// lost, the stream is good for nothing but closing.
  var isQuiet: Bool {
    var byte: UInt8 = 0
    return switch withUnsafeMutableBytes(of: &byte, { read(into: $0) }) {
    case .wouldBlock: true
    case .bytes, .end, .failed: false
    }
  }
}
