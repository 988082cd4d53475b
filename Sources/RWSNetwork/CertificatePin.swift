import COpenSSL
import RWSWebSocket

/// The SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469 §2.4), as in `sha256/BASE64`. It stays the same
/// when a certificate is renewed with the same key.
package struct CertificatePin: Sendable, Equatable, CustomStringConvertible {
  package let description: String

  private static let prefix = "sha256/"
  private static let digestBytes = 32

  /// nil: not of that form.
  package init?(_ text: String) {
    guard text.hasPrefix(Self.prefix),
      Base64.decodedCount(String(text.dropFirst(Self.prefix.count))) == Self.digestBytes
    else { return nil }
    description = text
  }

  /// nil: OpenSSL cannot write the key.
  init?(of certificate: OpaquePointer) {
    var bytes: UnsafeMutablePointer<UInt8>?
    let count = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &bytes)
    guard count > 0, let bytes else { return nil }
    defer { CRYPTO_free(bytes, "", 0) }
    var digest = [UInt8](repeating: 0, count: Self.digestBytes)
    SHA256(bytes, Int(count), &digest)
    description = Self.prefix + Base64.encode(digest)
  }

  /// Of the chain that was verified, the server's own first.
  static func all(verifiedIn store: OpaquePointer) -> [CertificatePin] {
    guard let chain = X509_STORE_CTX_get0_chain(store) else { return [] }
    return (0..<max(0, openssl_certificate_count(chain))).compactMap { index in
      openssl_certificate(chain, index).flatMap { CertificatePin(of: $0) }
    }
  }
}
