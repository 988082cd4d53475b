import RWSNetwork
import ResponsesWS
import Testing

@testable import RWSClient

extension SwiftFace {
  @Suite("The credentials of a raw connection") struct WebSocketCredentialsTests {
    @Test("a client certificate goes where the other credentials go, to the base URL's origin only")
    func clientCertificate() throws {
      let certificate = try Certificates.authority()
      try Certificates.withFile(certificate.certificatePEM + certificate.keyPEM) { file in
        var options = ClientOptions.test("wss://127.0.0.1:1/v1")
        options.clientCertificateFile = file
        let core = try Client(options).core
        let own = try #require(core.connect.tls)
        let cases: [(String?, WebSocket.Options.Credentials, Bool)] = [
          (nil, .sameOrigin, true), ("wss://127.0.0.1:1/other", .sameOrigin, true),
          ("wss://localhost:1/v1", .sameOrigin, false), ("wss://localhost:1/v1", .always, true),
          (nil, .never, false),
        ]
        for (url, credentials, hasCertificate) in cases {
          var raw = WebSocket.Options()
          raw.url = url
          raw.credentials = credentials
          let connect = try core.connectOptions(for: raw)
          #expect((connect.tls === own) == hasCertificate)
        }
        var plain = WebSocket.Options()
        plain.url = "ws://127.0.0.1:1/"
        #expect(try core.connectOptions(for: plain).tls == nil)
      }
    }
  }
}
