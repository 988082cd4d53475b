import COpenSSL
import Glibc

/// What carries TLS's records.
enum TLSTransport {
  case socket(Int32)
  /// TLS inside TLS: to the target through a proxy that is spoken to over TLS itself.
  case session(TLSSession)
}

/// TLS on one connection, either role. Confined to the loop of its stream.
final class TLSSession {
  enum HandshakeOutcome {
    case done, needsInput, needsOutput
    case failed(StreamFailure)
  }

  enum Outcome {
    case bytes(Int)
    case needsInput, needsOutput
    case end
    case failed(StreamFailure)
  }

  private let ssl: OpaquePointer
  private let carrier: UnsafeMutablePointer<TransportBIO.Context>
  /// Keeps the SSL_CTX's owner alive beside OpenSSL's own reference.
  private let context: TLSContext
  private var verification: TLSFailure?
  /// A client's key into the cache of sessions: host and port; nil for a server.
  private let server: String?
  private var isSecured = false
  /// After a fatal error OpenSSL forbids SSL_shutdown.
  private var hasFailed = false

  /// For a client; `host` is the name or numeric address that the certificate must be for.
  convenience init(
    _ context: TLSContext, connectedTo host: String, port: UInt16, over transport: TLSTransport
  ) throws(TLSFailure) {
    let server = hostAndPort(host, port)
    try self.init(context, transport, server: server)
    // Callbacks find their way back through SSL's application data.
    SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
    try expect(host)
    if let session = context.sessions.take(for: server) {
      SSL_set_session(ssl, session)
      SSL_SESSION_free(session)
    }
    SSL_set_connect_state(ssl)
  }

  /// For a server.
  convenience init(_ context: TLSContext, acceptedOn transport: TLSTransport) throws(TLSFailure) {
    try self.init(context, transport, server: nil)
    SSL_set_accept_state(ssl)
  }

  private init(
    _ context: TLSContext, _ transport: TLSTransport, server: String?
  ) throws(TLSFailure) {
    self.context = context
    self.server = server
    ERR_clear_error()
    guard let ssl = OpenSSLLibrary.whileNobodyForks({ SSL_new(context.pointer) }) else {
      throw TLSFailure.library()
    }
    self.ssl = ssl
    carrier = .allocate(capacity: 1)
    carrier.initialize(to: TransportBIO.Context(transport))
    guard let bio = TransportBIO.make(carrier) else { throw TLSFailure.library() }
    // One reference serves both directions.
    SSL_set_bio(ssl, bio, bio)
  }

  deinit {
    OpenSSLLibrary.whileNobodyForks { SSL_free(ssl) }
    carrier.deinitialize(count: 1)
    carrier.deallocate()
  }

  private func expect(_ host: String) throws(TLSFailure) {
    // RFC 6066 §3: without the trailing dot of an absolute name, and no addresses.
    let name = host.hasSuffix(".") ? String(host.dropLast()) : host
    let parameters = SSL_get0_param(ssl)
    // RFC 9525 §6.3: names stand in subjectAltName alone, wildcards for a whole label.
    X509_VERIFY_PARAM_set_hostflags(
      parameters,
      UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
    if Resolver.numeric(name, 0) != nil {
      // A zone index (fe80::1%eth0) is this machine's affair, not part of the certificate's address.
      let address = name.split(separator: "%", maxSplits: 1).first.map(String.init) ?? name
      guard X509_VERIFY_PARAM_set1_ip_asc(parameters, address) == 1 else {
        throw TLSFailure(kind: .other, text: "the address cannot be checked against a certificate")
      }
    } else {
      guard !name.isEmpty, X509_VERIFY_PARAM_set1_host(parameters, name, 0) == 1,
        openssl_set_server_name(ssl, name) == 1
      else { throw TLSFailure(kind: .other, text: "the host name cannot be used with TLS") }
    }
  }

  var version: String? {
    SSL_get_version(ssl).map { String(cString: $0) }
  }

  /// The session of an earlier connection was taken up again.
  var isResumed: Bool { SSL_session_reused(ssl) == 1 }

  func handshake() -> HandshakeOutcome {
    ERR_clear_error()
    let status = OpenSSLLibrary.whileNobodyForks { SSL_do_handshake(ssl) }
    if status == 1 {
      if let failure = protocolFailure { return failed(.tls(failure)) }
      isSecured = true
      return .done
    }
    switch outcome(of: status) {
    case .needsInput: return .needsInput
    case .needsOutput: return .needsOutput
    case .bytes, .end:
      return failed(
        .tls(TLSFailure(kind: .other, text: "the peer ended the connection during the handshake")))
    case .failed(let failure): return failed(failure)
    }
  }

  private func failed(_ failure: StreamFailure) -> HandshakeOutcome {
    hasFailed = true
    forgetSessions()
    return .failed(failure)
  }

  private func forgetSessions() {
    if let server { context.sessions.removeAll(for: server) }
  }

  /// RFC 7301 §3.2: a server chooses among what was offered, or says nothing. Older OpenSSL leaves it to us.
  private var protocolFailure: TLSFailure? {
    var name: UnsafePointer<UInt8>?
    var count: UInt32 = 0
    SSL_get0_alpn_selected(ssl, &name, &count)
    let chosen = UnsafeBufferPointer(start: name, count: name == nil ? 0 : Int(count))
    guard !chosen.isEmpty, !chosen.elementsEqual(TLSContext.protocolName.utf8) else { return nil }
    let text = Certificate.printable(Array(chosen))
    return TLSFailure(
      kind: .protocolName,
      text: "the server chose another protocol than the one offered: “\(text)”")
  }

  func read(into bytes: UnsafeMutableRawBufferPointer) -> Outcome {
    ERR_clear_error()
    var count = 0
    let status = SSL_read_ex(ssl, bytes.baseAddress, bytes.count, &count)
    return status == 1 ? .bytes(count) : outcome(of: status)
  }

  func write(_ bytes: UnsafeRawBufferPointer) -> Outcome {
    // OpenSSL treats an empty write as undefined.
    guard bytes.count > 0 else { return .bytes(0) }
    ERR_clear_error()
    var count = 0
    let status = SSL_write_ex(ssl, bytes.baseAddress, bytes.count, &count)
    return status == 1 ? .bytes(count) : outcome(of: status)
  }

  var hasBufferedInput: Bool {
    SSL_has_pending(ssl) == 1 || carrier.pointee.lower?.hasBufferedInput == true
  }

  /// Best effort: if the socket takes no more, the peer sees an end without it. The innermost layer first.
  func sendCloseNotify() {
    if isSecured, !hasFailed {
      ERR_clear_error()
      _ = SSL_shutdown(ssl)
      ERR_clear_error()
    }
    carrier.pointee.lower?.sendCloseNotify()
  }

  private func outcome(of status: Int32) -> Outcome {
    switch SSL_get_error(ssl, status) {
    // What the socket must be ready for; the layer below may have to write before it can read.
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
      return carrier.pointee.waitsForOutput ? .needsOutput : .needsInput
    case SSL_ERROR_ZERO_RETURN: return .end
    case SSL_ERROR_SYSCALL:
      hasFailed = true
      return carrier.pointee.failure.map { .failed($0) } ?? .end
    default:
      hasFailed = true
      // A connection that just ends (no close_notify) is an end like TCP's: WebSocket has its own close.
      if isEndWithoutNotify { return .end }
      // RFC 8446 §6.2: a fatal alert ends the session, too.
      forgetSessions()
      if let verification { return .failed(.tls(verification)) }
      return .failed(.tls(.library()))
    }
  }

  private var isEndWithoutNotify: Bool {
    carrier.pointee.sawEnd
      && openssl_error_reason(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING
  }
}

/// OpenSSL's callbacks.
extension TLSSession {
  private static func of(_ ssl: OpaquePointer?) -> TLSSession? {
    guard let ssl, let session = SSL_get_ex_data(ssl, 0) else { return nil }
    return Unmanaged<TLSSession>.fromOpaque(session).takeUnretainedValue()
  }

  /// In place of X509_verify_cert: that, and the pins. 1: the certificate is accepted.
  static func verify(_ store: OpaquePointer) -> Int32 {
    let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())
    guard let session = of(ssl.map { OpaquePointer($0) }) else { return 0 }
    guard X509_verify_cert(store) == 1 else {
      session.verification = TLSFailure(
        verificationIn: store, trustProblem: session.context.trustProblem)
      return 0
    }
    guard !session.context.pins.isEmpty else { return 1 }
    let presented = CertificatePin.all(verifiedIn: store)
    if presented.contains(where: session.context.pins.contains) { return 1 }
    session.verification = TLSFailure(unpinned: presented)
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
    return 0
  }

  /// A copy is kept: OpenSSL forbids resumption of the session itself when its connection ends without a
  /// close_notify, as lost ones do, and those are the ones that are made again.
  static func keep(_ session: OpaquePointer, offeredTo ssl: OpaquePointer) {
    guard let owner = of(ssl), let server = owner.server, let copy = SSL_SESSION_dup(session)
    else { return }
    owner.context.sessions.add(copy, for: server)
  }
}
