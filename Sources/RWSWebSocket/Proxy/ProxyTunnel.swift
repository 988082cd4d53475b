/// Why a proxy opened no tunnel.
package enum ProxyTunnelFailure: Error, Equatable, Sendable {
  /// Another status than 2xx to CONNECT.
  case refused(HTTPRefusal)
  case notHTTP(HTTPHeadError)
  case tooManyInterimAnswers
  /// The answer has another version or form than SOCKS5's.
  case notSocks5
  /// The proxy wants an authentication that was not offered, and none was configured.
  case credentialsNeeded
  /// SOCKS5: the method or the credentials themselves were refused.
  case credentialsRefused
  /// SOCKS5: the way that many proxies refuse them, but not they alone.
  case endedAfterCredentials
  case unofferedMethod(UInt8)
  /// RFC 1928 §6, another code than 0.
  case socksReply(UInt8)
  /// The proxy ended the connection before the tunnel was open.
  case endOfStream

  /// The proxy wants credentials, or others, or its rules do not allow the target.
  package var isUnauthorized: Bool {
    switch self {
    case .refused(let refusal): [401, 403, 407].contains(refusal.head.status)
    case .socksReply(let code): code == 2
    case .credentialsNeeded, .credentialsRefused: true
    case .notHTTP, .tooManyInterimAnswers, .notSocks5, .endedAfterCredentials, .unofferedMethod,
      .endOfStream:
      false
    }
  }

  /// The proxy's answer to CONNECT, if it was one.
  package var answer: HTTPAnswer? {
    guard case .refused(let refusal) = self else { return nil }
    return HTTPAnswer(
      status: refusal.head.status, fields: refusal.head.fields, body: refusal.body)
  }
}

/// What happened and what to do, as the end of a sentence that names the proxy. Never a credential.
extension ProxyTunnelFailure: CustomStringConvertible {
  package var description: String {
    switch self {
    case .refused(let refusal): Self.describe(refusal)
    case .notHTTP(.notHTTP):
      "it does not speak HTTP; check that it is an HTTP proxy, and the port"
    case .notHTTP(let error):
      "its answer to CONNECT is malformed: \(error); check that it is an HTTP proxy"
    case .tooManyInterimAnswers: "it sent too many interim (1xx) answers"
    case .notSocks5:
      "its answer is no SOCKS5; check that it is a SOCKS5 proxy, and the port"
    case .credentialsNeeded:
      "it accepts no connection without user name and password; put them into the proxy's URL"
    case .credentialsRefused: "it refused the user name and password; check them"
    case .endedAfterCredentials:
      "it ended the connection when it had user name and password; check them"
    case .unofferedMethod(let method):
      "it chose the authentication method \(method), which was not offered"
    case .socksReply(let code): Self.describe(socksReply: code)
    case .endOfStream: "it ended the connection before the tunnel was open; check its kind and port"
    }
  }

  private static func describe(_ refusal: HTTPRefusal) -> String {
    let status = refusal.head.status
    let advice: String
    switch status {
    case 407: advice = describe(challenges: refusal.head.fields.values("Proxy-Authenticate"))
    case 401, 403: advice = "its rules may not allow this host or port; ask its operator"
    case 405, 501: advice = "it may be no proxy, or may not allow CONNECT"
    case 502, 503, 504: advice = "it could not reach the host; check the host name and port"
    default: advice = "check that it is an HTTP proxy that allows CONNECT"
    }
    return "it answered CONNECT with HTTP status \(status); \(advice)"
  }

  /// RFC 9110 §11.6.1. The scheme is the first word of a challenge; a word with `=` is a parameter.
  private static func describe(challenges: [String]) -> String {
    let schemes = challenges.compactMap { challenge -> String? in
      let word = challenge.utf8.prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: ",") }
      guard word.count <= 32, HTTPSyntax.isToken(word) else { return nil }
      return String(Substring(word))
    }
    guard !schemes.isEmpty, !schemes.contains(where: { HTTPSyntax.equalsIgnoringCase($0, "basic") })
    else { return "put user name and password into the proxy's URL, or check them" }
    return "it asks for \(schemes.joined(separator: ", ")), and only Basic is supported"
  }

  /// RFC 1928 §6.
  private static func describe(socksReply code: UInt8) -> String {
    let (meaning, advice) =
      switch code {
      case 1: ("general failure", "its log may say more")
      case 2: ("not allowed by its rules", "ask its operator")
      case 3: ("network unreachable", "check the host name and the proxy's network")
      case 4: ("host unreachable or unknown", "check the host name")
      case 5: ("connection refused by the host", "check the host's port")
      case 6: ("time to live expired", "check the proxy's network")
      case 7: ("CONNECT not supported", "use another proxy")
      case 8: ("address type not supported", "try socks5h:// instead of socks5://, or the reverse")
      default: ("a code without meaning", "check that it is a SOCKS5 proxy")
      }
    return "it refused with SOCKS5 code \(code) (\(meaning)); \(advice)"
  }
}

/// Asks a proxy for a tunnel and reads what it says, for all kinds of proxies alike.
package struct ProxyTunnel: Sendable {
  package enum Step: Equatable, Sendable {
    case needMore
    /// What is left in the input came through the tunnel.
    case open
    case failed(ProxyTunnelFailure)
  }

  private enum Kind {
    case connect(ConnectTunnel)
    case socks(SocksTunnel)
  }

  private var kind: Kind

  /// `fields`: what the request to an HTTP proxy carries besides its own. `address`: the target's, which a
  /// `socks5` proxy is given in place of the name.
  package init(
    _ proxy: ProxyURL, to url: WebSocketURL, address: IPAddress? = nil,
    fields: HTTPFields = HTTPFields()
  ) {
    switch proxy.kind {
    case .http, .https:
      let authority = URLAuthority.text(host: url.host, isIPv6: url.isIPv6, port: url.port)
      kind = .connect(
        ConnectTunnel(authority: authority, credentials: proxy.credentials, fields: fields))
    case .socks5, .socks5h:
      kind = .socks(
        SocksTunnel(
          target: ProxyTarget(url, address: address), credentials: proxy.credentials))
    }
  }

  package func start(_ output: inout ByteBuffer) throws(BufferFull) {
    switch kind {
    case .connect(let tunnel): try tunnel.writeRequest(to: &output)
    case .socks(let tunnel): try tunnel.writeGreeting(to: &output)
    }
  }

  /// Call after each read until the answer is not `needMore`; each call may write to the output.
  package mutating func next(
    _ input: inout ByteBuffer, _ output: inout ByteBuffer
  ) throws(BufferFull) -> Step {
    switch kind {
    case .connect(var tunnel):
      defer { kind = .connect(tunnel) }
      return tunnel.next(&input)
    case .socks(var tunnel):
      defer { kind = .socks(tunnel) }
      return try tunnel.next(&input, &output)
    }
  }

  /// The proxy ended the stream, and `next` has answered `needMore`.
  package mutating func receiveEOF() -> Step {
    switch kind {
    case .connect(var tunnel):
      defer { kind = .connect(tunnel) }
      return tunnel.receiveEOF()
    case .socks(var tunnel):
      defer { kind = .socks(tunnel) }
      return tunnel.receiveEOF()
    }
  }
}
