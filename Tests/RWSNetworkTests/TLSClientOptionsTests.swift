import COpenSSL
import Glibc
import RWSWebSocket
import Testing

@testable import RWSNetwork

extension NetworkTests {
  @Suite struct TLSClientOptionsTests {
    let loop: EventLoop
    let certificate: SelfSignedCertificate
    init() throws {
      loop = try EventLoop()
      certificate = try SelfSignedCertificate(names: ["127.0.0.1"])
    }

    /// nil: the connection was opened.
    private func connect(_ server: TLSContext, _ client: TLSContext) throws -> NetworkFailure? {
      let echo = try EchoServer(loop) { $0.tls = server }
      defer { echo.stop() }
      let recorder = Recorder()
      let options = ConnectOptions(url: try echo.url(), tls: client)
      let channel = WebSocketChannel(connecting: options, on: loop, delegate: recorder)
      try loop.drive { recorder.info != nil || recorder.failure != nil }
      channel.abort()
      return recorder.failure
    }

    private func authority(_ name: String) throws -> SelfSignedCertificate {
      try CertificateMaker.make(
        .init(
          names: [], notBefore: -3600, notAfter: 3600, isAuthority: true, commonName: name),
        issuer: nil)
    }

    private func leaf(
      _ name: String, by issuer: SelfSignedCertificate
    ) throws -> SelfSignedCertificate {
      try CertificateMaker.make(
        .init(
          names: ["127.0.0.1"], notBefore: -3600, notAfter: 3600, isForClients: true,
          commonName: name), issuer: issuer)
    }

    private func pin(_ certificate: SelfSignedCertificate) throws -> CertificatePin {
      let pin: CertificatePin? = OpenSSLLibrary.withBIO(over: certificate.certificatePEM) { bio in
        guard let read = PEM_read_bio_X509(bio, nil, nil, nil) else { return nil }
        defer { X509_free(read) }
        return CertificatePin(of: read)
      }
      return try #require(pin)
    }

    // MARK: Client certificates

    @Test("mTLS: a server that asks for a certificate gets it, key beside it or in the same file")
    func clientCertificate() throws {
      let clients = try authority("Clients")
      let own = try leaf("agent", by: clients)
      let server = try TestCertificates.server(certificate)
      try server.require(clientsOf: clients)
      try TestCertificates.withFile(own.certificatePEM) { file in
        try TestCertificates.withFile(own.keyPEM) { key in
          let client = try TestCertificates.client(trusting: certificate) {
            $0.certificateFile = file
            $0.keyFile = key
          }
          let failure = try connect(server, client)
          #expect(failure == nil, "\(failure?.message ?? "")")
        }
      }
      try TestCertificates.withFile(own.certificatePEM + own.keyPEM) { file in
        let client = try TestCertificates.client(trusting: certificate) { $0.certificateFile = file }
        #expect(try connect(server, client) == nil)
      }
    }

    @Test("mTLS: none given, or one of another authority: the message says that the server wants one")
    func wrongClientCertificate() throws {
      let server = try TestCertificates.server(certificate)
      try server.require(clientsOf: authority("Clients"))
      let without = try TestCertificates.client(trusting: certificate)
      let failure = try #require(try connect(server, without))
      #expect(failure.kind == .tls)
      #expect(failure.message.contains("requires a client certificate"))
      #expect(failure.message.contains("client_certificate_file"))
      let stranger = try leaf("stranger", by: authority("Strangers"))
      try TestCertificates.withFile(stranger.certificatePEM + stranger.keyPEM) { file in
        let client = try TestCertificates.client(trusting: certificate) { $0.certificateFile = file }
        let failure = try #require(try connect(server, client))
        #expect(failure.kind == .tls)
        #expect(failure.message.contains("refused the client certificate"))
      }
    }

    private func failure(_ certificate: [UInt8]?, _ key: [UInt8]?) throws -> String {
      func with(
        _ bytes: [UInt8]?, _ body: (String?) throws -> String
      ) throws -> String {
        guard let bytes else { return try body(nil) }
        return try TestCertificates.withFile(bytes) { try body($0) }
      }
      return try with(certificate) { certificateFile in
        try with(key) { keyFile in
          var options = TLSClientOptions()
          options.certificateFile = certificateFile
          options.keyFile = keyFile
          do {
            _ = try TLSContext.client(options)
            return ""
          } catch let error as NetworkFailure {
            #expect(error.kind == .tls)
            return error.message
          }
        }
      }
    }

    @Test("a client certificate or key that cannot be used is refused when the client is made, with the reason")
    func badFiles() throws {
      let one = try leaf("one", by: authority("A"))
      let other = try leaf("other", by: authority("A"))
      #expect(try failure(one.certificatePEM, other.keyPEM).contains("is not that of the certificate"))
      #expect(try failure(one.certificatePEM, nil).contains("No private key"))
      #expect(try failure(Array("nothing".utf8), one.keyPEM).contains("No client certificate"))
      #expect(try failure(nil, one.keyPEM).contains("without its certificate"))
      let encrypted = try #require(one.encryptedKeyPEM)
      let message = try failure(one.certificatePEM, encrypted)
      #expect(message.contains("is encrypted"))
      #expect(!message.contains("PRIVATE"))
      var options = TLSClientOptions()
      options.certificateFile = "/nonexistent/client.pem"
      #expect(throws: NetworkFailure.self) { try TLSContext.client(options) }
    }

    // MARK: Pins

    @Test("a pin may be of any certificate of the verified chain; several are alternatives")
    func pins() throws {
      let root = try authority("Root")
      let leaf = try leaf("leaf", by: root)
      let server = try TestCertificates.server(leaf)
      let stranger = try pin(certificate)
      for pins in [[try pin(leaf)], [try pin(root)], [stranger, try pin(leaf)]] {
        let client = try TestCertificates.client(trusting: root) { $0.pins = pins }
        #expect(try connect(server, client) == nil)
      }
      let client = try TestCertificates.client(trusting: root) { $0.pins = [stranger] }
      let failure = try #require(try connect(server, client))
      #expect(failure.kind == .tlsPin)
      let presented = try pin(leaf)
      #expect(failure.message.contains(presented.description))
      #expect(client.sessions.count == 0)
    }

    @Test("a pin does not replace trust: an unknown authority is refused whatever its key")
    func pinIsNotTrust() throws {
      let server = try TestCertificates.server(certificate)
      var options = TLSClientOptions()
      options.pins = [try pin(certificate)]
      let client = try TLSContext.client(options)
      #expect(try connect(server, client)?.kind == .tlsUntrusted)
    }

    @Test("pins are what OpenSSL's command line gives; other forms are none")
    func pinForm() throws {
      // openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64
      let known = """
        -----BEGIN CERTIFICATE-----
        MIIBczCCARmgAwIBAgIUKdGAbpWjoahemJTRQqBK4EvW8SMwCgYIKoZIzj0EAwIw
        DjEMMAoGA1UEAwwDcGluMCAXDTI2MTEyMTA5MTA0N1oYDzIxMjYxMDI4MDkxMDQ3
        WjAOMQwwCgYDVQQDDANwaW4wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAR27nbO
        SfaYsX44wArOMoOJeI+fUHIfM5cj5lNkSmf37UGByfGBE8Kp7KNrtS2Cv7/ALs8l
        DdP+cEP5yWQF50dCo1MwUTAdBgNVHQ4EFgQUKq8u/x+IcA5lFwfxAMMQiD2FL48w
        HwYDVR0jBBgwFoAUKq8u/x+IcA5lFwfxAMMQiD2FL48wDwYDVR0TAQH/BAUwAwEB
        /zAKBggqhkjOPQQDAgNIADBFAiEA1qPdOxqUQOaFXCbLYXPyVgZix2GYXfdFaO5/
        gQdaKIoCIHKcT4xyfKJNPKQc97z0SplsgAkqP003hbyOoJhslZgn
        -----END CERTIFICATE-----
        """
      let certificate = SelfSignedCertificate(certificatePEM: Array(known.utf8), keyPEM: [])
      #expect(try pin(certificate).description == "sha256/8gukt4ZQWjEjOyuqzTZIPTj+GOHGxETeOq/K3ev7owY=")
      for text in [
        "", "sha256/", "sha256/AAAA", "sha1/AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA*=",
      ] {
        #expect(CertificatePin(text) == nil)
      }
      #expect(CertificatePin("sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=") != nil)
    }

    // MARK: ALPN

    @Test("RFC 7301: a server that chooses another protocol than the one offered is refused")
    func wrongProtocol() throws {
      let server = try TestCertificates.server(certificate)
      SSL_CTX_set_alpn_select_cb(
        server.pointer,
        { _, chosen, length, _, _, _ in
          chosen?.pointee = UnsafeRawPointer(h2).assumingMemoryBound(to: UInt8.self)
          length?.pointee = 2
          return SSL_TLSEXT_ERR_OK
        }, nil)
      let failure = try #require(
        try connect(server, TestCertificates.client(trusting: certificate)))
      #expect(failure.kind == .tls)
      #expect(failure.message.contains("chosen another") || failure.message.contains("chose another"))
      #expect(failure.message.contains("HTTP/1.1"))
    }

    @Test("RFC 7301 §3.2: a server that refuses the protocol, too; one without ALPN is fine")
    func refusedProtocol() throws {
      let server = try TestCertificates.server(certificate)
      SSL_CTX_set_alpn_select_cb(
        server.pointer, { _, _, _, _, _, _ in SSL_TLSEXT_ERR_ALERT_FATAL }, nil)
      let client = try TestCertificates.client(trusting: certificate)
      let failure = try #require(try connect(server, client))
      #expect(failure.message.contains("refused the protocol http/1.1"))
      SSL_CTX_set_alpn_select_cb(server.pointer, nil, nil)
      #expect(try connect(server, client) == nil)
    }

    @Test("a server that speaks no TLS newer than 1.1 is refused")
    func oldVersion() throws {
      let server = try TestCertificates.server(certificate)
      SSL_CTX_ctrl(server.pointer, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_VERSION), nil)
      SSL_CTX_ctrl(server.pointer, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(TLS1_1_VERSION), nil)
      let failure = try connect(server, TestCertificates.client(trusting: certificate))
      #expect(failure?.kind == .tls)
    }

    // MARK: The system's certificates

    @Test("SSL_CERT_FILE and SSL_CERT_DIR are honoured; where they name nothing, the message says so")
    func environment() throws {
      let server = try TestCertificates.server(certificate)
      try TestCertificates.withFile(certificate.certificatePEM) { file in
        try withEnvironment(["SSL_CERT_FILE": file]) {
          let client = try TLSContext.client()
          #expect(try connect(server, client) == nil)
        }
        try withEnvironment(["SSL_CERT_FILE": "/nonexistent/store.pem", "SSL_CERT_DIR": "/nonexistent"]) {
          let failure = try #require(try connect(server, .client()))
          #expect(failure.kind == .tlsUntrusted)
          #expect(failure.message.contains("SSL_CERT_FILE names /nonexistent/store.pem"))
          // The extra file does not need the system's.
          let client = try TestCertificates.client(trusting: certificate)
          #expect(try connect(server, client) == nil)
        }
      }
      try withEnvironment(["SSL_CERT_DIR": "/nonexistent"]) {
        // The file may be there all the same: then there is no problem to tell of.
        let failure = try #require(try connect(server, .client()))
        #expect(failure.kind == .tlsUntrusted)
      }
    }

    private func withEnvironment(_ values: [String: String], _ body: () throws -> Void) throws {
      let before = values.keys.map { name in (name, getenv(name).map { String(cString: $0) }) }
      for (name, value) in values { setenv(name, value, 1) }
      defer {
        for (name, value) in before {
          if let value { setenv(name, value, 1) } else { unsetenv(name) }
        }
      }
      try body()
    }
  }
}

nonisolated(unsafe) private let h2: UnsafeMutableRawPointer = {
  let bytes = UnsafeMutableRawPointer.allocate(byteCount: 2, alignment: 1)
  bytes.storeBytes(of: UInt8(ascii: "h"), as: UInt8.self)
  bytes.storeBytes(of: UInt8(ascii: "2"), toByteOffset: 1, as: UInt8.self)
  return bytes
}()

extension TLSContext {
  /// Handshakes without a certificate of that authority fail.
  fileprivate func require(clientsOf authority: SelfSignedCertificate) throws {
    try TestCertificates.withFile(authority.certificatePEM) {
      #expect(SSL_CTX_load_verify_file(pointer, $0) == 1)
    }
    SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
  }
}

extension SelfSignedCertificate {
  fileprivate var encryptedKeyPEM: [UInt8]? {
    OpenSSLLibrary.withBIO(over: keyPEM) { bio in
      guard let key = PEM_read_bio_PrivateKey(bio, nil, nil, nil) else { return nil }
      defer { EVP_PKEY_free(key) }
      return OpenSSLLibrary.text {
        _ = PEM_write_bio_PrivateKey($0, key, EVP_aes_128_cbc(), "secret", 6, nil, nil)
      }
    }
  }
}
