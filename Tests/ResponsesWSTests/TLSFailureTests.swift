import RWSNetwork
import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("TLS: whom the client trusts, and what it says of whom it does not") struct TLSFailureTests {
    /// The error of a turn with a server that has `leaf`, for a client that trusts `authority`.
    private func error(
      _ leaf: SelfSignedCertificate, trusting authority: SelfSignedCertificate?,
      host: String = "127.0.0.1"
    ) throws -> ResponsesError {
      let peer = try ScriptedPeer(tls: leaf)
      defer { peer.stop() }
      let session = try authority.map { authority in
        try Certificates.withFile(authority) { file in
          try Client.session(peer.url(host: host)) { $0.caFile = file }
        }
      } ?? Client.session(peer.url(host: host))
      let turn = try session.start("hello")
      let error = try failure { try turn.wait() }
      #expect(error.execution == .notSent)
      #expect(!error.isRetryable)
      #expect(error.message.contains(host))
      #expect(peer.upgrades.value.isEmpty)
      return error
    }

    @Test("a conversation over TLS with a certificate from the CA file")
    func trusted() throws {
      let authority = try Certificates.authority()
      let peer = try ScriptedPeer(
        tls: try Certificates.leaf(["127.0.0.1", "localhost"], by: authority))
      defer { peer.stop() }
      for host in ["127.0.0.1", "localhost"] {
        let session = try Certificates.withFile(authority) { file in
          try Client.session(peer.url(host: host)) { $0.caFile = file }
        }
        #expect(try session.finished("hello").text.hasPrefix("reply"))
        #expect(try session.finished("again").stats.isDelta)
      }
    }

    @Test("an untrusted certificate: the issuer is named, and how to trust it")
    func untrusted() throws {
      let leaf = try Certificates.leaf(["127.0.0.1"], by: try Certificates.authority())
      let error = try error(leaf, trusting: nil)
      #expect(error.status == .tlsUntrusted)
      #expect(error.message.contains("Test Authority"))
      #expect(error.message.contains("CA file"))
    }

    @Test("a certificate for another host: the names that it is for are named")
    func hostname() throws {
      let authority = try Certificates.authority()
      let leaf = try Certificates.leaf(["api.example.com", "10.1.2.3"], by: authority)
      for host in ["127.0.0.1", "localhost"] {
        let error = try error(leaf, trusting: authority, host: host)
        #expect(error.status == .tlsHostname)
        #expect(error.message.contains("api.example.com"))
        #expect(error.message.contains("10.1.2.3"))
      }
    }

    @Test("an expired certificate, and one that is not valid yet: since when, and to check the clock")
    func expired() throws {
      let authority = try Certificates.authority()
      let old = try Certificates.leaf(["127.0.0.1"], by: authority, valid: -7000..<(-3600))
      let error = try error(old, trusting: authority)
      #expect(error.status == .tlsExpired)
      #expect(error.message.contains("expired on"))
      #expect(error.message.contains("clock"))
      let new = try Certificates.leaf(["127.0.0.1"], by: authority, valid: 3600..<7000)
      let early = try self.error(new, trusting: authority)
      #expect(early.status == .tlsExpired)
      #expect(early.message.contains("not valid before"))
    }

    @Test("a key that is not pinned: the keys that the server has are named")
    func unpinned() throws {
      let authority = try Certificates.authority()
      let peer = try ScriptedPeer(tls: try Certificates.leaf(["127.0.0.1"], by: authority))
      defer { peer.stop() }
      try Certificates.withFile(authority) { file in
        let session = try Client.session(peer.url) {
          $0.caFile = file
          $0.certificatePins = ["sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
        }
        let error = try failure { try session.start("hello").wait() }
        #expect(error.status == .tlsPin)
        #expect(error.execution == .notSent)
        #expect(!error.isRetryable)
        let named = error.message.split(whereSeparator: { " ,.;".contains($0) })
          .filter { $0.hasPrefix("sha256/") }.map(String.init)
        #expect(named.count == 2)
        // What the message names can be pinned: of the server itself, or of its authority.
        for pin in named {
          let session = try Client.session(peer.url) {
            $0.caFile = file
            $0.certificatePins = [pin]
          }
          #expect(try session.finished("hello").text.hasPrefix("reply"))
        }
      }
    }

    @Test("a pin of another form, and a client certificate that is not there, are errors of the client")
    func badOptions() throws {
      var options = ClientOptions(baseURL: "ws://127.0.0.1/v1", apiKey: "")
      options.certificatePins = ["sha256/AAAA"]
      #expect(try failure { _ = try Client(options) }.status == .invalidArgument)
      options.certificatePins = []
      options.clientCertificateFile = "/nonexistent/client.pem"
      let error = try failure { _ = try Client(options) }
      #expect(error.status == .tls)
      #expect(error.message.contains("/nonexistent/client.pem"))
    }

    @Test("a server that speaks no TLS is a TLS error")
    func noTLS() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let session = try Client.session("wss" + peer.url.dropFirst(2))
      let error = try failure { try session.start("hello").wait() }
      #expect(error.status == .tls)
      #expect(error.execution == .notSent)
      #expect(error.message.contains("Check that the port speaks TLS"))
    }

    @Test("a CA file that cannot be read is an error of the client, and names the file")
    func noFile() throws {
      var options = ClientOptions(baseURL: "wss://127.0.0.1/v1", apiKey: "")
      options.caFile = "/nonexistent/ca.pem"
      let error = try failure { _ = try Client(options) }
      #expect(error.status == .tls)
      #expect(error.message.contains("/nonexistent/ca.pem"))
    }
  }
}
