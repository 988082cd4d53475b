/// A tunnel through an HTTP proxy: CONNECT (RFC 9110 §9.3.6).
///
///   awaiting ──2xx──▶ done (open)
///      └──other status, with its body──▶ done (refused)
///
/// Credentials go out with the first request: a challenge first would cost a round trip, and often the
/// connection.
package struct ConnectTunnel: Sendable {
  private let request: HTTPRequestHead
  private var answer = HTTPSwitchReader(switchingOn: 200...299)

  /// `authority`: host and port, an IPv6 address in brackets.
  init(authority: String, credentials: ProxyCredentials?, fields: HTTPFields = HTTPFields()) {
    var all = HTTPFields()
    all.append("Host", authority)
    if let credentials { all.append("Proxy-Authorization", credentials.basic) }
    all.append(contentsOf: fields)
    request = HTTPHead(start: HTTPRequestLine(method: "CONNECT", target: authority), fields: all)
  }

  func writeRequest(to output: inout ByteBuffer) throws(BufferFull) {
    try request.write(to: &output)
  }

  mutating func next(_ input: inout ByteBuffer) -> ProxyTunnel.Step { step(answer.next(&input)) }

  mutating func receiveEOF() -> ProxyTunnel.Step { step(answer.receiveEOF()) }

  /// Length fields of a 2xx answer mean nothing (§9.3.6): all that follows the head is the tunnel's.
  private func step(_ step: HTTPSwitchReader.Step) -> ProxyTunnel.Step {
    switch step {
    case .needMore: .needMore
    case .switched: .open
    case .refused(let refusal): .failed(.refused(refusal))
    case .failed(.head(let error)): .failed(.notHTTP(error))
    case .failed(.tooManyInterimAnswers): .failed(.tooManyInterimAnswers)
    case .failed(.endOfStream): .failed(.endOfStream)
    }
  }
}
