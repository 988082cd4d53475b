import COpenSSL
import Glibc

/// What a client's TLS is made of.
package struct TLSClientOptions: Sendable {
  /// PEM certificates trusted besides the system's.
  package var caFile: String?
  /// The client's own certificate and, after it, its chain (PEM), for servers that ask for one.
  package var certificateFile: String?
  /// Its key (PEM, not encrypted); nil: in the certificate's file.
  package var keyFile: String?
  /// One of them must be in the chain that was verified; empty: any key will do.
  package var pins: [CertificatePin] = []

  package init() {}
}

extension TLSContext {
  /// Verifies servers against the system's certificates (SSL_CERT_FILE and SSL_CERT_DIR are honoured) and
  /// those in `caFile`. Throws `tls` if a file cannot be used.
  package static func client(
    _ options: TLSClientOptions = TLSClientOptions()
  ) throws(NetworkFailure) -> TLSContext {
    try OpenSSLLibrary.whileNobodyForks { () throws(NetworkFailure) in try makeClient(options) }
  }

  private static func makeClient(_ options: TLSClientOptions) throws(NetworkFailure) -> TLSContext {
    let context = try TLSContext(
      TLS_client_method(), pins: options.pins, trustProblem: TrustStore.problem())
    let pointer = context.pointer
    SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, nil)
    SSL_CTX_set_cert_verify_callback(
      pointer, { store, _ in store.map { TLSSession.verify($0) } ?? 0 }, nil)
    // A missing system store is no error here: each connection would then say what it does not trust.
    _ = SSL_CTX_set_default_verify_paths(pointer)
    ERR_clear_error()
    if let file = options.caFile {
      try checkReadable(file, "The CA file")
      guard SSL_CTX_load_verify_file(pointer, file) == 1 else {
        throw failure("No certificates could be read from the CA file \(file)")
      }
    }
    if let file = options.certificateFile {
      try useClientCertificate(file, key: options.keyFile ?? file, context)
    } else if options.keyFile != nil {
      throw NetworkFailure(.tls, "A client key was given without its certificate.")
    }
    SSL_CTX_set_alpn_protos(pointer, protocols, UInt32(protocols.count))
    _ = openssl_ctx_report_sessions(pointer)
    SSL_CTX_sess_set_new_cb(pointer) { ssl, session in
      if let ssl, let session { TLSSession.keep(session, offeredTo: ssl) }
      // The reference is not kept.
      return 0
    }
    return context
  }

  private static func useClientCertificate(
    _ file: String, key: String, _ context: TLSContext
  ) throws(NetworkFailure) {
    try checkReadable(file, "The client certificate")
    try checkReadable(key, "The client key")
    guard SSL_CTX_use_certificate_chain_file(context.pointer, file) == 1 else {
      throw failure("No client certificate could be read from \(file)")
    }
    try usePrivateKey(key, of: file, context)
  }

  private static func checkReadable(_ file: String, _ what: String) throws(NetworkFailure) {
    // OpenSSL says of a missing file no more than "system lib".
    guard access(file, R_OK) == 0 else {
      throw NetworkFailure(.tls, "\(what) \(file) cannot be read: \(systemMessage(errno)).")
    }
  }

  /// Also for a server.
  static func usePrivateKey(
    _ file: String, of certificate: String, _ context: TLSContext
  ) throws(NetworkFailure) {
    var isEncrypted = false
    let status = withUnsafeMutablePointer(to: &isEncrypted) { asked in
      // Without a callback OpenSSL asks at the terminal.
      SSL_CTX_set_default_passwd_cb(context.pointer) { TLSContext.refusePassword($0, $1, $2, asked: $3) }
      SSL_CTX_set_default_passwd_cb_userdata(context.pointer, asked)
      defer { SSL_CTX_set_default_passwd_cb_userdata(context.pointer, nil) }
      return SSL_CTX_use_PrivateKey_file(context.pointer, file, SSL_FILETYPE_PEM)
    }
    if isEncrypted {
      ERR_clear_error()
      throw NetworkFailure(
        .tls,
        "The key in \(file) is encrypted. Give it without a password, in a file that only you may read"
          + " (openssl pkey -in … -out …).")
    }
    guard status == 1 else {
      if openssl_error_reason(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH {
        ERR_clear_error()
        throw NetworkFailure(.tls, "The key in \(file) is not that of the certificate in \(certificate).")
      }
      throw failure("No private key could be read from \(file)")
    }
  }

  static func refusePassword(
    _: UnsafeMutablePointer<CChar>?, _: Int32, _: Int32, asked: UnsafeMutableRawPointer?
  ) -> Int32 {
    asked?.assumingMemoryBound(to: Bool.self).pointee = true
    return -1
  }
}
