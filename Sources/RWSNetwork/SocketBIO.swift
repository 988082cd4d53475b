import COpenSSL
import Glibc

/// OpenSSL's way to the socket. Its own socket BIO writes with `write(2)`, which raises SIGPIPE in the host;
/// this one sends with MSG_NOSIGNAL, and keeps the errno that OpenSSL's layers may overwrite.
struct SocketBIO {
  struct Context {
    var descriptor: Int32
    var lastError: Int32 = 0
    var sawEnd = false
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
    guard let method = BIO_meth_new(kind, "responsesws socket") else { return nil }
    BIO_meth_set_write(method) { bio, bytes, count in
      guard let bio, let context = SocketBIO.context(bio) else { return -1 }
      BIO_clear_flags(bio, SocketBIO.retryFlags)
      let sent = Socket.send(context.pointee.descriptor, bytes, Int(max(0, count)))
      if sent < 0 { SocketBIO.failed(bio, context, BIO_FLAGS_WRITE) }
      return Int32(truncatingIfNeeded: sent)
    }
    BIO_meth_set_read(method) { bio, bytes, count in
      guard let bio, let context = SocketBIO.context(bio) else { return -1 }
      BIO_clear_flags(bio, SocketBIO.retryFlags)
      let received = Socket.receive(context.pointee.descriptor, bytes, Int(max(0, count)))
      if received < 0 { SocketBIO.failed(bio, context, BIO_FLAGS_READ) }
      if received == 0 { context.pointee.sawEnd = true }
      return Int32(truncatingIfNeeded: received)
    }
    BIO_meth_set_ctrl(method) { bio, command, _, _ in
      switch command {
      case BIO_CTRL_FLUSH: return 1
      case BIO_CTRL_EOF:
        guard let bio, let context = SocketBIO.context(bio) else { return 1 }
        return context.pointee.sawEnd ? 1 : 0
      default: return 0
      }
    }
    return method
  }()

  private static let retryFlags = BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY

  private static func context(_ bio: OpaquePointer) -> UnsafeMutablePointer<Context>? {
    BIO_get_data(bio)?.assumingMemoryBound(to: Context.self)
  }

  private static func failed(
    _ bio: OpaquePointer, _ context: UnsafeMutablePointer<Context>, _ direction: Int32
  ) {
    let code = errno
    if Socket.wouldBlock(code) {
      BIO_set_flags(bio, direction | BIO_FLAGS_SHOULD_RETRY)
    } else {
      context.pointee.lastError = code
    }
  }
}
