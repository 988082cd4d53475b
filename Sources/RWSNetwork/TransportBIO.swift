import COpenSSL
import Glibc

/// OpenSSL's way to the socket, or to the TLS session below it. OpenSSL's own socket BIO writes with `write(2)`,
/// which raises SIGPIPE in the host; this one sends with MSG_NOSIGNAL, and keeps the failure that OpenSSL's
/// layers may overwrite.
struct TransportBIO {
  struct Context {
    let descriptor: Int32
    /// Between us and the socket.
    let lower: TLSSession?
    var failure: StreamFailure?
    var sawEnd = false
    /// What the socket must be ready for, after a call that said "retry".
    var waitsForOutput = false

    init(_ transport: TLSTransport) {
      switch transport {
      case .socket(let descriptor):
        self.descriptor = descriptor
        lower = nil
      case .session(let session):
        descriptor = -1
        lower = session
      }
    }
  }

  /// nil if OpenSSL has no memory. The BIO refers to `context`, which must outlive it.
  static func make(_ context: UnsafeMutablePointer<Context>) -> OpaquePointer? {
    guard let method, let bio = BIO_new(method) else { return nil }
    BIO_set_data(bio, context)
    BIO_set_init(bio, 1)
    return bio
  }

  nonisolated(unsafe) private static let method: OpaquePointer? = {
    let kind = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
    guard let method = BIO_meth_new(kind, "responsesws transport") else { return nil }
    BIO_meth_set_write(method) { bio, bytes, count in
      guard let bio, let context = TransportBIO.context(bio) else { return -1 }
      BIO_clear_flags(bio, TransportBIO.retryFlags)
      return context.pointee.write(bytes, Int(max(0, count)), bio)
    }
    BIO_meth_set_read(method) { bio, bytes, count in
      guard let bio, let context = TransportBIO.context(bio) else { return -1 }
      BIO_clear_flags(bio, TransportBIO.retryFlags)
      return context.pointee.read(bytes, Int(max(0, count)), bio)
    }
    BIO_meth_set_ctrl(method) { bio, command, _, _ in
      switch command {
      case BIO_CTRL_FLUSH: return 1
      case BIO_CTRL_EOF:
        guard let bio, let context = TransportBIO.context(bio) else { return 1 }
        return context.pointee.sawEnd ? 1 : 0
      default: return 0
      }
    }
    return method
  }()

  fileprivate static let retryFlags = BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY

  private static func context(_ bio: OpaquePointer) -> UnsafeMutablePointer<Context>? {
    BIO_get_data(bio)?.assumingMemoryBound(to: Context.self)
  }
}

extension TransportBIO.Context {
  fileprivate mutating func write(
    _ bytes: UnsafePointer<CChar>?, _ count: Int, _ bio: OpaquePointer
  ) -> Int32 {
    if let lower {
      return result(
        lower.write(UnsafeRawBufferPointer(start: bytes, count: count)), bio, BIO_FLAGS_WRITE)
    }
    let sent = Socket.send(descriptor, bytes, count)
    if sent < 0 { failed(bio, BIO_FLAGS_WRITE) }
    return Int32(truncatingIfNeeded: sent)
  }

  fileprivate mutating func read(
    _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int, _ bio: OpaquePointer
  ) -> Int32 {
    if let lower {
      return result(
        lower.read(into: UnsafeMutableRawBufferPointer(start: bytes, count: count)), bio,
        BIO_FLAGS_READ)
    }
    let received = Socket.receive(descriptor, bytes, count)
    if received < 0 { failed(bio, BIO_FLAGS_READ) }
    if received == 0 { sawEnd = true }
    return Int32(truncatingIfNeeded: received)
  }

  private mutating func failed(_ bio: OpaquePointer, _ direction: Int32) {
    let code = errno
    if Socket.wouldBlock(code) {
      retry(bio, direction, waitsForOutput: direction == BIO_FLAGS_WRITE)
    } else {
      failure = .system(code)
    }
  }

  private mutating func result(
    _ outcome: TLSSession.Outcome, _ bio: OpaquePointer, _ direction: Int32
  ) -> Int32 {
    switch outcome {
    case .bytes(let count): return Int32(truncatingIfNeeded: count)
    case .needsInput: retry(bio, direction, waitsForOutput: false)
    case .needsOutput: retry(bio, direction, waitsForOutput: true)
    case .end:
      sawEnd = true
      return 0
    case .failed(let lowerFailure): failure = lowerFailure
    }
    return -1
  }

  private mutating func retry(_ bio: OpaquePointer, _ direction: Int32, waitsForOutput: Bool) {
    self.waitsForOutput = waitsForOutput
    BIO_set_flags(bio, direction | BIO_FLAGS_SHOULD_RETRY)
  }
}
