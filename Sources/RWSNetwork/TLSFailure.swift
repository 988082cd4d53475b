import COpenSSL

/// A TLS error in words, without the name of the host: the channel knows that and adds it.
struct TLSFailure: Error {
  enum Kind {
    case untrusted, hostname, validity, other
  }

  var kind: Kind
  /// What was wrong, as the end of a sentence.
  var text: String

  var failureKind: NetworkFailure.Kind {
    switch kind {
    case .untrusted: .tlsUntrusted
    case .hostname: .tlsHostname
    case .validity: .tlsExpired
    case .other: .tls
    }
  }

  var advice: String {
    switch kind {
    case .untrusted:
      "If you trust that issuer, give its certificate as the CA file, or through SSL_CERT_FILE."
    case .hostname:
      "Connect to a name that the certificate is for, or have the server's certificate replaced."
    case .validity:
      "Check this machine's clock; otherwise the server's certificate must be renewed."
    case .other:
      "Check that the port speaks TLS, and that both sides share a version (1.2 or newer)."
    }
  }
}

extension TLSFailure {
  /// Why OpenSSL refused a certificate, taken inside the verify callback: later the certificate is gone.
  init(verificationIn store: OpaquePointer) {
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
        + " is not trusted (\(reason))"
    default:
      kind = .untrusted
      text = "the certificate \(Certificate.subject(current)) was refused (\(reason))"
    }
  }
}

/// Reads certificates for error messages. What they say comes from the peer: it is cut and made printable.
private enum Certificate {
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

  private static func printable(_ bytes: [UInt8]) -> String {
    let cut = bytes.prefix(textBytesMax).map { (0x20..<0x7f).contains($0) ? $0 : UInt8(ascii: "?") }
    return String(decoding: cut, as: UTF8.self)
  }
}
