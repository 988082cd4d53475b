/// A tunnel through a SOCKS5 proxy (RFC 1928), with user name and password (RFC 1929) if there are any.
///
///   method ──none needed──────────────────────▶ reply ──succeeded──▶ done (open)
///     └──user name and password──▶ credentials ──accepted──▲   └──other code──▶ done (failed)
///
/// One message at a time goes out; each answer is taken whole, and what follows the last one is the tunnel's.
struct SocksTunnel: Sendable {
  private enum State {
    case method
    case credentials
    case reply
    case done(ProxyTunnel.Step)
  }

  private static let version: UInt8 = 5
  private static let credentialsVersion: UInt8 = 1
  private static let noCredentials: UInt8 = 0
  private static let userAndPassword: UInt8 = 2
  private static let noAcceptableMethod: UInt8 = 0xFF

  private let target: ProxyTarget
  private let credentials: ProxyCredentials?
  private var state = State.method

  /// Lengths beyond 255 were refused where the texts came in (`ProxyURL`, `WebSocketURL`).
  init(target: ProxyTarget, credentials: ProxyCredentials?) {
    self.target = target
    self.credentials = credentials
  }

  func writeGreeting(to output: inout ByteBuffer) throws(BufferFull) {
    let methods = [Self.noCredentials] + (credentials == nil ? [] : [Self.userAndPassword])
    try output.append([Self.version, UInt8(truncatingIfNeeded: methods.count)] + methods)
  }

  /// Call after each read until the answer is not `needMore`; each call may write to the output.
  mutating func next(
    _ input: inout ByteBuffer, _ output: inout ByteBuffer
  ) throws(BufferFull) -> ProxyTunnel.Step {
    while true {
      let step: ProxyTunnel.Step?
      switch state {
      case .method: step = try readMethod(&input, &output)
      case .credentials: step = try readVerdict(&input, &output)
      case .reply: step = readReply(&input)
      case .done(let step): return step
      }
      guard let step else { continue }
      if step != .needMore { state = .done(step) }
      return step
    }
  }

  /// The proxy ended the stream, and `next` has answered `needMore`.
  mutating func receiveEOF() -> ProxyTunnel.Step {
    let step: ProxyTunnel.Step
    switch state {
    case .method, .reply: step = .failed(.endOfStream)
    case .credentials: step = .failed(.endedAfterCredentials)
    case .done(let done): step = done
    }
    state = .done(step)
    return step
  }

  // MARK: What the proxy says. nil: go on, in the state that was set.

  /// RFC 1928 §3: version, method.
  private mutating func readMethod(
    _ input: inout ByteBuffer, _ output: inout ByteBuffer
  ) throws(BufferFull) -> ProxyTunnel.Step? {
    guard let version = input.bytes.first else { return .needMore }
    guard version == Self.version else { return .failed(.notSocks5) }
    guard input.count >= 2 else { return .needMore }
    let method = input.bytes[1]
    input.consume(2)
    switch (method, credentials) {
    case (Self.noCredentials, _):
      try writeRequest(to: &output)
      state = .reply
      return nil
    case (Self.userAndPassword, let credentials?):
      try write(credentials, to: &output)
      state = .credentials
      return nil
    case (Self.noAcceptableMethod, nil): return .failed(.credentialsNeeded)
    case (Self.noAcceptableMethod, _?): return .failed(.credentialsRefused)
    default: return .failed(.unofferedMethod(method))
    }
  }

  /// RFC 1929 §2: version, status. Some proxies write SOCKS's own version; the status alone decides.
  private mutating func readVerdict(
    _ input: inout ByteBuffer, _ output: inout ByteBuffer
  ) throws(BufferFull) -> ProxyTunnel.Step? {
    guard input.count >= 2 else { return .needMore }
    let status = input.bytes[1]
    input.consume(2)
    guard status == 0 else { return .failed(.credentialsRefused) }
    try writeRequest(to: &output)
    state = .reply
    return nil
  }

  /// RFC 1928 §6: version, code, reserved, then the address that the proxy uses, of no interest here.
  private func readReply(_ input: inout ByteBuffer) -> ProxyTunnel.Step {
    let bytes = input.bytes
    guard let version = bytes.first else { return .needMore }
    guard version == Self.version else { return .failed(.notSocks5) }
    guard bytes.count >= 2 else { return .needMore }
    // Some proxies end a refusal here.
    guard bytes[1] == 0 else { return .failed(.socksReply(bytes[1])) }
    guard bytes.count >= 5 else { return .needMore }
    let addressCount: Int
    switch bytes[3] {
    case AddressType.ipv4: addressCount = 4
    case AddressType.ipv6: addressCount = 16
    case AddressType.name: addressCount = 1 + Int(bytes[4])
    default: return .failed(.notSocks5)
    }
    let count = 4 + addressCount + 2
    guard bytes.count >= count else { return .needMore }
    input.consume(count)
    return .open
  }

  // MARK: What the proxy hears

  private enum AddressType {
    static let ipv4: UInt8 = 1
    static let name: UInt8 = 3
    static let ipv6: UInt8 = 4
  }

  /// RFC 1928 §4.
  private func writeRequest(to output: inout ByteBuffer) throws(BufferFull) {
    let connect: UInt8 = 1
    var request = [Self.version, connect, 0]
    switch target.host {
    case .name(let name):
      request.append(AddressType.name)
      request += Self.counted(Array(name.utf8))
    case .address(let address):
      request.append(address.isIPv6 ? AddressType.ipv6 : AddressType.ipv4)
      request += address.bytes
    }
    request.append(UInt8(truncatingIfNeeded: target.port >> 8))
    request.append(UInt8(truncatingIfNeeded: target.port))
    try output.append(request)
  }

  private func write(
    _ credentials: ProxyCredentials, to output: inout ByteBuffer
  ) throws(BufferFull) {
    try output.append(
      [Self.credentialsVersion] + Self.counted(credentials.user)
        + Self.counted(credentials.password))
  }

  private static func counted(_ bytes: [UInt8]) -> [UInt8] {
    let bytes = bytes.prefix(255)
    return [UInt8(truncatingIfNeeded: bytes.count)] + bytes
  }
}
