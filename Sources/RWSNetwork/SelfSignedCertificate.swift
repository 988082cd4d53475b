import COpenSSL
import Glibc

/// A fresh key and a self-signed certificate, in memory, as PEM. For the local server's `--tls` and for
/// tests.
package struct SelfSignedCertificate: Sendable {
  package let certificatePEM: [UInt8]
  package let keyPEM: [UInt8]

  /// `names`: DNS names and IP addresses that the certificate is for. Valid from an hour ago for `days` days.
  package init(names: [String], days: Int = 30) throws(NetworkFailure) {
    let from = -3600
    self = try CertificateMaker.make(
      .init(names: names, notBefore: from, notAfter: from + days * 86_400), issuer: nil)
  }

  init(certificatePEM: [UInt8], keyPEM: [UInt8]) {
    self.certificatePEM = certificatePEM
    self.keyPEM = keyPEM
  }
}

/// Makes certificates with OpenSSL.
enum CertificateMaker {
  struct Request {
    var names: [String]
    /// Seconds from now.
    var notBefore: Int
    var notAfter: Int
    var isAuthority = false
    /// For the client's side of mTLS, too.
    var isForClients = false
    var commonName = "responsesws self-signed"
  }

  /// Signed by `issuer`, or by itself.
  static func make(
    _ request: Request, issuer: SelfSignedCertificate?
  ) throws(NetworkFailure) -> SelfSignedCertificate {
    OpenSSLLibrary.initialise()
    ERR_clear_error()
    guard let alternatives = alternativeNames(request.names) else {
      throw NetworkFailure(
        .tls,
        "A certificate cannot be made for the names \(request.names): give DNS names and addresses."
      )
    }
    guard let result = build(request, alternatives, issuer) else {
      throw NetworkFailure(
        .tls, "The certificate could not be made: \(OpenSSLLibrary.takeErrorText()).")
    }
    return result
  }

  /// In OpenSSL's configuration syntax, where a comma would begin another entry: hence the narrow alphabet.
  private static func alternativeNames(_ names: [String]) -> String? {
    var entries: [String] = []
    for name in names {
      if Resolver.numeric(name, 0) != nil {
        entries.append("IP:\(name)")
      } else if !name.isEmpty, name.utf8.allSatisfy(isHostByte) {
        entries.append("DNS:\(name)")
      } else {
        return nil
      }
    }
    return entries.joined(separator: ",")
  }

  private static func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "_"), UInt8(ascii: "*"):
      true
    default: false
    }
  }

  private static func build(
    _ request: Request, _ alternatives: String, _ issuer: SelfSignedCertificate?
  ) -> SelfSignedCertificate? {
    guard let key = openssl_new_p256_key() else { return nil }
    defer { EVP_PKEY_free(key) }
    guard let certificate = X509_new() else { return nil }
    defer { X509_free(certificate) }
    let issuerCertificate = issuer.flatMap {
      OpenSSLLibrary.withBIO(over: $0.certificatePEM) { PEM_read_bio_X509($0, nil, nil, nil) }
    }
    defer { X509_free(issuerCertificate) }
    let issuerKey = issuer.flatMap {
      OpenSSLLibrary.withBIO(over: $0.keyPEM) { PEM_read_bio_PrivateKey($0, nil, nil, nil) }
    }
    defer { EVP_PKEY_free(issuerKey) }
    guard issuer == nil || issuerCertificate != nil && issuerKey != nil else { return nil }

    guard describe(certificate, request, key, issuerCertificate),
      extend(certificate, request, alternatives),
      X509_sign(certificate, issuerKey ?? key, EVP_sha256()) > 0
    else { return nil }
    let certificatePEM = OpenSSLLibrary.text { _ = PEM_write_bio_X509($0, certificate) }
    let keyPEM = OpenSSLLibrary.text {
      _ = PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil)
    }
    guard !certificatePEM.isEmpty, !keyPEM.isEmpty else { return nil }
    return SelfSignedCertificate(certificatePEM: certificatePEM, keyPEM: keyPEM)
  }

  private static func describe(
    _ certificate: OpaquePointer, _ request: Request, _ key: OpaquePointer, _ issuer: OpaquePointer?
  ) -> Bool {
    var serial: UInt64 = 0
    let hasSerial = withUnsafeMutableBytes(of: &serial) { OpenSSLLibrary.random($0) }
    let name = X509_get_subject_name(certificate)
    let commonName = Array(request.commonName.utf8)
    return hasSerial
      && X509_set_version(certificate, 2) == 1
      && ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1
      && X509_gmtime_adj(X509_getm_notBefore(certificate), request.notBefore) != nil
      && X509_gmtime_adj(X509_getm_notAfter(certificate), request.notAfter) != nil
      && X509_set_pubkey(certificate, key) == 1
      && X509_NAME_add_entry_by_txt(
        name, "CN", MBSTRING_UTF8, commonName, Int32(clamping: commonName.count), -1, 0) == 1
      && X509_set_issuer_name(certificate, issuer.map { X509_get_subject_name($0) } ?? name) == 1
  }

  /// What strict verifiers ask for (RFC 5280 §4.2.1; Python's VERIFY_X509_STRICT).
  private static func extend(
    _ certificate: OpaquePointer, _ request: Request, _ alternatives: String
  ) -> Bool {
    var extensions: [(Int32, String)] = [
      (NID_basic_constraints, request.isAuthority ? "critical,CA:TRUE" : "critical,CA:FALSE"),
      (NID_key_usage, request.isAuthority ? "critical,keyCertSign" : "critical,digitalSignature"),
      (NID_subject_key_identifier, "hash"),
    ]
    if !request.isAuthority {
      let usage = request.isForClients ? "serverAuth,clientAuth" : "serverAuth"
      extensions.append((NID_ext_key_usage, usage))
    }
    if !alternatives.isEmpty { extensions.append((NID_subject_alt_name, alternatives)) }
    var context = X509V3_CTX()
    X509V3_set_ctx(&context, certificate, certificate, nil, nil, 0)
    for (kind, value) in extensions {
      guard let made = X509V3_EXT_conf_nid(nil, &context, kind, value) else { return false }
      defer { X509_EXTENSION_free(made) }
      guard X509_add_ext(certificate, made, -1) == 1 else { return false }
    }
    return true
  }
}
