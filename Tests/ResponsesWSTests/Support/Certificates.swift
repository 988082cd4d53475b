import Glibc

@testable import RWSNetwork

/// Certificates made on the spot.
enum Certificates {
  static func authority() throws -> SelfSignedCertificate {
    try CertificateMaker.make(
      .init(
        names: [], notBefore: -7200, notAfter: 7200, isAuthority: true,
        commonName: "Test Authority"), issuer: nil)
  }

  /// - Parameter valid: seconds from now.
  static func leaf(
    _ names: [String], by authority: SelfSignedCertificate, valid: Range<Int> = -3600..<3600
  ) throws -> SelfSignedCertificate {
    try CertificateMaker.make(
      .init(
        names: names, notBefore: valid.lowerBound, notAfter: valid.upperBound,
        commonName: "Test Server"), issuer: authority)
  }

  /// The certificate in a file, as users give it to `caFile`, while `body` runs.
  static func withFile<Result>(
    _ certificate: SelfSignedCertificate, _ body: (String) throws -> Result
  ) throws -> Result {
    try withFile(certificate.certificatePEM, body)
  }

  static func withFile<Result>(_ pem: [UInt8], _ body: (String) throws -> Result) throws -> Result {
    var path = Array("/tmp/rws-ca-XXXXXX".utf8CString)
    let descriptor = mkstemp(&path)
    defer {
      close(descriptor)
      unlink(path)
    }
    guard write(descriptor, pem, pem.count) == pem.count else {
      throw NetworkFailure.resources("The CA file could not be written", errno)
    }
    return try body(String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }
}
