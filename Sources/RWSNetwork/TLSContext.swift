import COpenSSL

/// The TLS configuration shared by connections: made once, used by any number of them, from any thread.
package final class TLSContext: @unchecked Sendable {
  // SSL_CTX is reference-counted and locked inside; nothing here changes it once it is made.
  let pointer: OpaquePointer
  let pins: [CertificatePin]
  /// Why the system's certificates are not there; for messages.
  let trustProblem: String?
  let sessions = TLSSessionCache()

  /// The only protocol that is offered and accepted (RFC 7301).
  static let protocolName = "http/1.1"
  static let protocols = [UInt8(protocolName.utf8.count)] + Array(protocolName.utf8)

  init(
    _ method: OpaquePointer?, pins: [CertificatePin] = [], trustProblem: String? = nil
  ) throws(NetworkFailure) {
    OpenSSLLibrary.initialise()
    ERR_clear_error()
    guard let context = OpenSSLLibrary.whileNobodyForks({ SSL_CTX_new(method) }) else {
      throw Self.failure("TLS could not be set up")
    }
    pointer = context
    self.pins = pins
    self.trustProblem = trustProblem
    _ = openssl_ctx_set_min_tls_1_2(context)
    // Idle connections give their record buffers back; writes are resumed from a queue that moves in memory.
    _ = openssl_ctx_set_mode(
      context,
      Int(
        SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
          | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER))
    // A record then costs one recv, not one for its header and one for its body.
    openssl_ctx_set_read_ahead(context)
    SSL_CTX_set_default_read_buffer_len(context, 32 << 10)
    // A server's sessions are in its tickets; a cache would only grow.
    _ = openssl_ctx_disable_session_cache(context)
  }

  deinit {
    OpenSSLLibrary.whileNobodyForks { SSL_CTX_free(pointer) }
  }

  /// A server with a PEM certificate chain and key, from files or from memory.
  package static func server(
    certificateFile: String, keyFile: String
  ) throws(NetworkFailure) -> TLSContext {
    let context = try TLSContext(TLS_server_method())
    guard SSL_CTX_use_certificate_chain_file(context.pointer, certificateFile) == 1 else {
      throw failure("No certificate could be read from \(certificateFile)")
    }
    try usePrivateKey(keyFile, of: certificateFile, context)
    return try finishServer(context)
  }

  package static func server(
    certificatePEM: [UInt8], keyPEM: [UInt8]
  ) throws(NetworkFailure) -> TLSContext {
    let context = try TLSContext(TLS_server_method())
    guard useChain(certificatePEM, context.pointer) else {
      throw failure("The certificate could not be read")
    }
    let key = OpenSSLLibrary.withBIO(over: keyPEM) {
      PEM_read_bio_PrivateKey($0, nil, { TLSContext.refusePassword($0, $1, $2, asked: $3) }, nil)
    }
    defer { EVP_PKEY_free(key) }
    guard let key, SSL_CTX_use_PrivateKey(context.pointer, key) == 1 else {
      throw failure("The private key could not be read, or is not the certificate's")
    }
    return try finishServer(context)
  }

  private static func finishServer(_ context: TLSContext) throws(NetworkFailure) -> TLSContext {
    guard SSL_CTX_check_private_key(context.pointer) == 1 else {
      throw failure("The private key is not the certificate's")
    }
    // A reconnecting client resumes with it; OpenSSL's two would cost each handshake twice.
    SSL_CTX_set_num_tickets(context.pointer, 1)
    SSL_CTX_set_alpn_select_cb(context.pointer, selectProtocol, nil)
    return context
  }

  /// The first certificate is the server's, those after it are its chain.
  private static func useChain(_ pem: [UInt8], _ context: OpaquePointer) -> Bool {
    let used: Bool? = OpenSSLLibrary.withBIO(over: pem) { bio in
      guard let leaf = PEM_read_bio_X509(bio, nil, nil, nil) else { return false }
      defer { X509_free(leaf) }
      guard SSL_CTX_use_certificate(context, leaf) == 1 else { return false }
      while let next = PEM_read_bio_X509(bio, nil, nil, nil) {
        guard openssl_add_chain_certificate(context, next) == 1 else {
          X509_free(next)
          return false
        }
      }
      // The reader ends with the error "no start line".
      ERR_clear_error()
      return true
    }
    return used ?? false
  }

  private static let selectProtocol: SSL_CTX_alpn_select_cb_func = {
    _, chosen, chosenLength, offered, offeredLength, _ in
    guard let chosen, let chosenLength, let offered else { return SSL_TLSEXT_ERR_NOACK }
    var position = 0
    let count = Int(offeredLength)
    while position < count {
      let length = Int(offered[position])
      let name = UnsafeBufferPointer(start: offered + position + 1, count: length)
      guard position + 1 + length <= count else { return SSL_TLSEXT_ERR_NOACK }
      if name.elementsEqual(protocolName.utf8) {
        chosen.pointee = offered + position + 1
        chosenLength.pointee = UInt8(length)
        return SSL_TLSEXT_ERR_OK
      }
      position += 1 + length
    }
    return SSL_TLSEXT_ERR_NOACK
  }

  static func failure(_ what: String) -> NetworkFailure {
    NetworkFailure(.tls, "\(what): \(OpenSSLLibrary.takeErrorText()).")
  }
}
