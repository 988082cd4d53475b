import COpenSSL

/// A TLS error in words, without the name of the host: the channel knows that and adds it.
struct TLSFailure: Error {
  enum Kind {
    case untrusted, hostname, validity, pin
    /// The server wants a client certificate, or another one.
    case clientCertificate
    /// Not HTTP/1.1 (ALPN).
    case protocolName
    case other
  }

  var kind: Kind
  /// What was wrong, as the end of a sentence.
  var text: String

  var failureKind: NetworkFailure.Kind {
    switch kind {
    case .untrusted: .tlsUntrusted
    case .hostname: .tlsHostname
    case .validity: .tlsExpired
    case .pin: .tlsPin
    case .clientCertificate, .protocolName, .other: .tls
    }
  }

  var advice: String {
    switch kind {
    case .untrusted:
      "If you trust that issuer, give its certificate as the CA file (ca_file), or through"
        + " SSL_CERT_FILE."
    case .hostname:
      "Connect to a name that the certificate is for, or have the server's certificate replaced."
    case .validity:
      "Check this machine's clock; otherwise the server's certificate must be renewed."
    case .pin:
      "If the server's key was changed on purpose, pin the new one; otherwise someone may be between."
    case .clientCertificate:
      "Give a certificate that the server's operator accepts (client_certificate_file)."
    case .protocolName:
      "Ask the server's operator for WebSocket over HTTP/1.1, or use another port."
    case .other:
      "Check that the port speaks TLS, and that both sides share a version (1.2 or newer)."
    }
  }
}

extension TLSFailure {
  /// What OpenSSL's error queue says.
  static func library() -> TLSFailure {
    // What an alert that arrived means here; OpenSSL's texts name only the alert.
    let meaning: (Kind, String)? =
      switch openssl_error_reason(ERR_peek_last_error()) {
      case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        (.clientCertificate, "the server requires a client certificate")
      case SSL_R_TLSV1_ALERT_UNKNOWN_CA, SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
        SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
        SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
        SSL_R_TLSV1_ALERT_ACCESS_DENIED:
        (.clientCertificate, "the server refused the client certificate")
      case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
        (.protocolName, "the server refused the protocol \(TLSContext.protocolName)")
      // Newer OpenSSL looks at the protocol itself, and says no more.
      case SSL_R_BAD_EXTENSION:
        (.protocolName, "the server seems to have chosen another protocol than the one offered")
      default: nil
      }
    let text = OpenSSLLibrary.takeErrorText()
    guard let (kind, sentence) = meaning else { return TLSFailure(kind: .other, text: text) }
    return TLSFailure(kind: kind, text: "\(sentence) (\(text))")
  }

  /// `presented`: of the verified chain, the server's own first.
  init(unpinned presented: [CertificatePin]) {
    kind = .pin
    let listed = presented.prefix(Self.pinsMax).map(\.description).joined(separator: ", ")
    text = "none of the server's keys is pinned; its chain has \(listed.isEmpty ? "none" : listed)"
  }

  private static let pinsMax = 4

  /// Why OpenSSL refused a certificate, taken inside the verification: later the certificate is gone.
  init(verificationIn store: OpaquePointer, trustProblem: String?) {
    let code = X509_STORE_CTX_get_error(store)
    let leaf = X509_STORE_CTX_get0_cert(store)
    let current = X509_STORE_CTX_get_current_cert(store) ?? leaf
    let reason = String(cString: X509_verify_cert_error_string(Int(code)))
    switch code {
    case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
      kind = .hostname
      text = "the certificate is for \(Certificate.names(leaf)), not for this host"
    case X509_V_ERR_CERT_HAS_EXPIRED:
      kind = .validity
      text =
        "the certificate \(Certificate.subject(current)) expired on \(Certificate.end(current))"
    case X509_V_ERR_CERT_NOT_YET_VALID:
      kind = .validity
      text =
        "the certificate \(Certificate.subject(current)) is not valid before \(Certificate.start(current))"
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
      X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
      X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_CERT_UNTRUSTED, X509_V_ERR_CERT_REJECTED,
      X509_V_ERR_INVALID_CA, X509_V_ERR_CERT_REVOKED, X509_V_ERR_CERT_SIGNATURE_FAILURE:
      kind = .untrusted
      text =
        "the certificate \(Certificate.subject(current)), issued by \(Certificate.issuer(current)),"
        + " is not trusted (\(reason))" + (trustProblem.map { ". \($0)" } ?? "")
    default:
      kind = .untrusted
      text = "the certificate \(Certificate.subject(current)) was refused (\(reason))"
    }
  }
}

/// Reads certificates for error messages. What they say comes from the peer: it is cut and made printable.
enum Certificate {
  private static let textBytesMax = 200
  private static let namesMax = 8

  static func subject(_ certificate: OpaquePointer?) -> String {
    name(certificate.flatMap { X509_get_subject_name($0) })
  }

  static func issuer(_ certificate: OpaquePointer?) -> String {
    name(certificate.flatMap { X509_get_issuer_name($0) })
  }

  static func start(_ certificate: OpaquePointer?) -> String {
    time(certificate.flatMap { X509_get0_notBefore($0) })
  }

  static func end(_ certificate: OpaquePointer?) -> String {
    time(certificate.flatMap { X509_get0_notAfter($0) })
  }

  /// The DNS names and addresses of the subjectAltName extension.
  static func names(_ certificate: OpaquePointer?) -> String {
    guard let certificate,
      let list = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil)
    else { return subject(certificate) }
    let names = OpaquePointer(list)
    defer { GENERAL_NAMES_free(names) }
    let count = openssl_general_name_count(names)
    var texts: [String] = []
    for index in 0..<min(count, Int32(namesMax)) {
      if let name = openssl_general_name(names, index), let text = text(of: name) {
        texts.append(text)
      }
    }
    if count > namesMax { texts.append("…") }
    return texts.isEmpty ? subject(certificate) : texts.joined(separator: ", ")
  }

  private static func text(of name: UnsafePointer<GENERAL_NAME>) -> String? {
    var type: Int32 = 0
    guard let value = GENERAL_NAME_get0_value(name, &type) else { return nil }
    let string = value.assumingMemoryBound(to: ASN1_STRING.self)
    guard let data = ASN1_STRING_get0_data(string) else { return nil }
    let bytes = Array(
      UnsafeBufferPointer(start: data, count: Int(max(0, ASN1_STRING_length(string)))))
    switch type {
    case GEN_DNS: return printable(bytes)
    case GEN_IPADD: return address(bytes)
    default: return nil
    }
  }

  private static func address(_ bytes: [UInt8]) -> String? {
    switch bytes.count {
    case 4: return bytes.map { String($0) }.joined(separator: ".")
    case 16:
      return stride(from: 0, to: 16, by: 2).map {
        String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16)
      }.joined(separator: ":")
    default: return nil
    }
  }

  private static func name(_ name: OpaquePointer?) -> String {
    guard let name else { return "(none)" }
    let text = printable(OpenSSLLibrary.text { _ = openssl_name_print($0, name) })
    return text.isEmpty ? "without a name" : "“\(text)”"
  }

  private static func time(_ time: UnsafePointer<ASN1_TIME>?) -> String {
    guard let time else { return "(unknown)" }
    return printable(OpenSSLLibrary.text { _ = ASN1_TIME_print($0, time) })
  }

  static func printable(_ bytes: [UInt8]) -> String {
    let cut = bytes.prefix(textBytesMax).map { (0x20..<0x7f).contains($0) ? $0 : UInt8(ascii: "?") }
    return String(decoding: cut, as: UTF8.self)
  }
}
