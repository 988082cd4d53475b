import RWSWebSocket
import Testing

@testable import RWSNetwork

extension NetworkTests {
  @Suite struct TLSTests {
    let loop: EventLoop
    init() throws { loop = try EventLoop() }

    /// nil: the connection was opened.
    private func connect(
      to certificate: SelfSignedCertificate, trusting root: SelfSignedCertificate?,
      host: String = "127.0.0.1", client: Recorder = Recorder()
    ) throws -> NetworkFailure? {
      let context = try TestCertificates.server(certificate)
      let server = try EchoServer(loop) { $0.tls = context }
      defer { server.stop() }
      let tls = try root.map { try TestCertificates.client(trusting: $0) } ?? .client()
      let channel = WebSocketChannel(
        connecting: ConnectOptions(url: try server.url(host), tls: tls), on: loop, delegate: client)
      try loop.drive { client.info != nil || client.failure != nil }
      channel.abort()
      return client.failure
    }

    private func authority() throws -> SelfSignedCertificate {
      try CertificateMaker.make(
        .init(
          names: [], notBefore: -3600, notAfter: 86_400, isAuthority: true,
          commonName: "Test Authority"), issuer: nil)
    }

    private func leaf(
      _ names: [String], from: Int = -3600, to: Int = 86_400, by issuer: SelfSignedCertificate
    ) throws -> SelfSignedCertificate {
      try CertificateMaker.make(
        .init(names: names, notBefore: from, notAfter: to, commonName: "leaf"), issuer: issuer)
    }

    @Test(
      "a certificate of a trusted authority for the address, or for the name, is accepted",
      arguments: ["127.0.0.1", "localhost"])
    func trusted(host: String) throws {
      let root = try authority()
      let leaf = try leaf(["127.0.0.1", "localhost"], by: root)
      let client = Recorder()
      let failure = try connect(to: leaf, trusting: root, host: host, client: client)
      #expect(failure == nil, "\(failure?.message ?? "")")
      #expect(client.info?.stream.tlsVersion == "TLSv1.3")
    }

    @Test("an unknown authority is untrusted, and the message names it and the subject")
    func untrusted() throws {
      let failure = try #require(
        try connect(to: leaf(["127.0.0.1"], by: authority()), trusting: nil))
      #expect(failure.kind == .tlsUntrusted)
      #expect(failure.message.contains("Test Authority"))
      #expect(failure.message.contains("leaf"))
      #expect(failure.message.contains("127.0.0.1:"))
    }

    @Test("a self-signed certificate is untrusted unless it is given as CA file")
    func selfSigned() throws {
      let failure = try #require(
        try connect(to: SelfSignedCertificate(names: ["127.0.0.1"]), trusting: nil))
      #expect(failure.kind == .tlsUntrusted)
      #expect(failure.message.contains("responsesws self-signed"))
    }

    @Test("a certificate for other names says which names it is for")
    func otherHost() throws {
      let root = try authority()
      let leaf = try leaf(["example.com", "*.example.org", "10.0.0.1"], by: root)
      let failure = try #require(try connect(to: leaf, trusting: root))
      #expect(failure.kind == .tlsHostname)
      for name in ["example.com", "*.example.org", "10.0.0.1"] {
        #expect(failure.message.contains(name))
      }
    }

    @Test(
      "a name is not matched by an address, nor by a partial wildcard",
      arguments: [["127.0.0.1"], ["local*"], ["l*t"]])
    func noNameMatch(names: [String]) throws {
      let root = try authority()
      let failure = try #require(
        try connect(to: leaf(names, by: root), trusting: root, host: "localhost"))
      #expect(failure.kind == .tlsHostname)
    }

    @Test("RFC 9525 §6.3: a common name is no host name")
    func commonName() throws {
      let root = try authority()
      let leaf = try CertificateMaker.make(
        .init(names: [], notBefore: -3600, notAfter: 3600, commonName: "localhost"), issuer: root)
      let failure = try #require(try connect(to: leaf, trusting: root, host: "localhost"))
      #expect(failure.kind == .tlsHostname)
    }

    @Test("an expired certificate says since when, one from the future from when on")
    func validity() throws {
      let root = try authority()
      let expired = try #require(
        try connect(to: leaf(["127.0.0.1"], from: -7200, to: -3600, by: root), trusting: root))
      #expect(expired.kind == .tlsExpired)
      #expect(expired.message.contains("expired on"))
      let future = try #require(
        try connect(to: leaf(["127.0.0.1"], from: 3600, to: 7200, by: root), trusting: root))
      #expect(future.kind == .tlsExpired)
      #expect(future.message.contains("not valid before"))
    }

    @Test("a peer that speaks no TLS is a tls failure")
    func noTLS() throws {
      let server = try RawServer(loop)
      let client = Recorder()
      let channel = WebSocketChannel(
        connecting: ConnectOptions(url: try server.url(secure: true), tls: try .client()),
        on: loop, delegate: client)
      let peer = try server.accept()
      try peer.send("HTTP/1.1 400 Bad Request\r\n\r\n")
      try loop.drive { client.failure != nil }
      #expect(client.failure?.kind == .tls)
      channel.abort()
    }

    @Test("a CA file that cannot be read is an error at once")
    func noFile() {
      var options = TLSClientOptions()
      options.caFile = "/nonexistent/ca.pem"
      #expect(throws: NetworkFailure.self) { try TLSContext.client(options) }
    }

    @Test("a key that is not the certificate's is refused")
    func wrongKey() throws {
      let one = try SelfSignedCertificate(names: ["a"])
      let other = try SelfSignedCertificate(names: ["a"])
      #expect(throws: NetworkFailure.self) {
        try TLSContext.server(certificatePEM: one.certificatePEM, keyPEM: other.keyPEM)
      }
    }

    @Test("names that are none are refused", arguments: ["", "a,DNS:b", "a b", "ä"])
    func badNames(name: String) {
      #expect(throws: NetworkFailure.self) { try SelfSignedCertificate(names: [name]) }
    }

    @Test("a client that refuses the certificate does not harm the server")
    func serverSurvives() throws {
      let certificate = try SelfSignedCertificate(names: ["127.0.0.1"])
      let context = try TestCertificates.server(certificate)
      let server = try EchoServer(loop) { $0.tls = context }
      defer { server.stop() }
      for index in 0..<4 {
        let recorder = Recorder()
        let tls =
          index % 2 == 0
          ? try TLSContext.client() : try TestCertificates.client(trusting: certificate)
        let channel = WebSocketChannel(
          connecting: ConnectOptions(url: try server.url(), tls: tls), on: loop, delegate: recorder)
        try loop.drive { recorder.info != nil || recorder.failure != nil }
        #expect((recorder.info != nil) == (index % 2 == 1))
        channel.abort()
      }
      try loop.drive { server.closedRequests == 2 }
    }
  }
}
