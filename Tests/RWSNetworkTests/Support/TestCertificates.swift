import Glibc

@testable import RWSNetwork

/// TLS contexts for tests, from certificates made on the spot.
enum TestCertificates {
  static func server(_ certificate: SelfSignedCertificate) throws -> TLSContext {
    try TLSContext.server(certificatePEM: certificate.certificatePEM, keyPEM: certificate.keyPEM)
  }

  static func client(
    trusting certificate: SelfSignedCertificate,
    _ configure: (inout TLSClientOptions) -> Void = { _ in }
  ) throws -> TLSContext {
    try withFile(certificate.certificatePEM) { file in
      var options = TLSClientOptions()
      options.caFile = file
      configure(&options)
      return try TLSContext.client(options)
    }
  }

  static func withFile<Result>(_ bytes: [UInt8], _ body: (String) throws -> Result) throws -> Result
  {
    var path = Array("/tmp/rws-test-XXXXXX".utf8CString)
    let descriptor = mkstemp(&path)
    guard descriptor >= 0 else { throw TimedOut() }
    defer {
      close(descriptor)
      unlink(path)
    }
    guard write(descriptor, bytes, bytes.count) == bytes.count else { throw TimedOut() }
    return try body(String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }
}
