import COpenSSL
import Glibc

/// Initialisation of OpenSSL for the process, its error queue, and its random source.
enum OpenSSLLibrary {
  private static let initialised: Void = {
    // Without OpenSSL's own exit handler: it frees what an I/O thread may still use while the host exits.
    OPENSSL_init_ssl(UInt64(OPENSSL_INIT_NO_ATEXIT), nil)
  }()

  static func initialise() { _ = initialised }

  /// Runs what OpenSSL does under its own process-wide locks (making and freeing contexts and sessions, handshakes,
  /// seeding): a child forked in that moment would find them held for ever, so `fork` waits for it. Records of an
  /// established connection need none of them; the first and the last use by a thread do.
  static func whileNobodyForks<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    ProcessState.prepare()
    pthread_mutex_lock(&ProcessState.shared.pointee.openSSL)
    defer { pthread_mutex_unlock(&ProcessState.shared.pointee.openSSL) }
    return try body()
  }

  /// Makes what OpenSSL keeps for a thread, its generators seeded from that of the process.
  static func enterThread() {
    initialise()
    whileNobodyForks {
      ERR_clear_error()
      var byte: UInt8 = 0
      _ = RAND_bytes(&byte, 1)
      _ = RAND_priv_bytes(&byte, 1)
    }
  }

  /// Frees it, which the thread's end would do at a moment of its own.
  static func leaveThread() {
    whileNobodyForks { OPENSSL_thread_stop() }
  }

  /// The text of the latest error in this thread's queue, which is emptied.
  static func takeErrorText() -> String {
    let code = ERR_peek_last_error()
    defer { ERR_clear_error() }
    guard code != 0 else { return "unknown TLS error" }
    if let reason = ERR_reason_error_string(code) { return String(cString: reason) }
    return "OpenSSL error \(code)"
  }

  /// Cryptographic random bytes, as masking keys need them (RFC 6455 §5.3).
  static func random(_ bytes: UnsafeMutableRawBufferPointer) -> Bool {
    guard bytes.count > 0 else { return true }
    return RAND_bytes(
      bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), Int32(clamping: bytes.count)) == 1
  }

  /// What `write` prints into a memory BIO.
  static func text(_ write: (OpaquePointer) -> Void) -> [UInt8] {
    guard let bio = BIO_new(BIO_s_mem()) else { return [] }
    defer { BIO_free(bio) }
    write(bio)
    var bytes: UnsafePointer<CChar>?
    let count = openssl_bio_memory(bio, &bytes)
    guard let bytes, count > 0 else { return [] }
    return Array(UnsafeRawBufferPointer(start: bytes, count: count))
  }

  /// Runs `body` on a read-only BIO over `bytes`.
  static func withBIO<Result>(over bytes: [UInt8], _ body: (OpaquePointer) -> Result?) -> Result? {
    bytes.withUnsafeBytes {
      guard let bio = BIO_new_mem_buf($0.baseAddress, Int32(clamping: $0.count)) else { return nil }
      defer { BIO_free(bio) }
      return body(bio)
    }
  }
}
