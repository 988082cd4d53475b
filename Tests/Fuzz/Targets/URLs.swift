import RWSWebSocket

/// A URL that is accepted makes a request that can be written, and is accepted again as it is written.
func urls(_ input: FuzzInput) {
  let text = String(decoding: input.body, as: UTF8.self)
  blackHole(IPAddress(input.body)?.bytes.count)
  proxySettings(text)
  let url: WebSocketURL
  do {
    url = try WebSocketURL(text)
  } catch {
    return blackHole(error.description)
  }
  check(url.path.hasPrefix("/"), "path \(url.path)")
  check(1...65535 ~= url.port, "port \(url.port)")
  let scheme = url.isSecure ? "wss" : "ws"
  let again = try? WebSocketURL("\(scheme)://\(url.authority)\(url.target)")
  check(again == url, "\(url) became \(String(describing: again))")
  guard
    let handshake = try? ClientHandshake(
      url: url.appendingPath("responses"), nonce: Array("the sample nonce".utf8))
  else { fatalError("no request for \(url)") }
  var output = ByteBuffer(bytesMax: 1 << 24)
  check((try? handshake.writeRequest(to: &output)) != nil, "the request could not be written")
  var server = ServerHandshake()
  let step = server.next(&output)
  switch step {
  case .upgrade: break
  case .refused(let refusal): check(refusal.status == 431, "\(refusal.explanation) for \(url)")
  case .needMore, .request: fatalError("\(step) for \(url)")
  }
}

private func proxySettings(_ text: String) {
  if let target = try? WebSocketURL("wss://api.example.com/v1") {
    blackHole(NoProxyList(text).entry(matching: target))
  }
  guard let proxy = try? ProxyURL(text) else { return }
  if let password = proxy.credentials?.password, password.count > 12 {
    // Which may be a part of the host's name.
    let shown = "\(proxy)".split(separator: proxy.host).joined()
    check(!shown.contains(String(decoding: password, as: UTF8.self)), "a password shows")
  }
}

/// What proxies answer: HTTP CONNECT and SOCKS5, with credentials and without.
func proxy(_ input: FuzzInput) {
  let scheme = input.choice(0) ? "http" : input.choice(1) ? "socks5" : "socks5h"
  let credentials = input.choice(2) ? "user:secret-password@" : ""
  guard let proxy = try? ProxyURL("\(scheme)://\(credentials)proxy.example:1080"),
    let target = try? WebSocketURL("wss://api.example.com/v1")
  else { fatalError("the proxy's URL was refused") }
  expectSameWhole(input) { parts in
    var tunnel = ProxyTunnel(proxy, to: target)
    var stream = ByteBuffer(bytesMax: 1 << 24)
    var output = ByteBuffer(bytesMax: 1 << 16)
    try? tunnel.start(&output)
    var step = ProxyTunnel.Step.needMore
    var rest: [UInt8] = []
    for (index, part) in parts.enumerated() where step == .needMore {
      try? stream.append(part)
      guard let next = try? tunnel.next(&stream, &output) else { fatalError("the output is full") }
      step = next
      if step == .open {
        rest = Array(stream.bytes) + parts[(index + 1)...].flatMap { Array($0) }
      }
    }
    if step == .needMore { step = tunnel.receiveEOF() }
    check(step != .needMore, "the end of the stream is no answer")
    if case .failed(let failure) = step {
      check(!failure.description.contains("secret-password"), "a password shows")
    }
    return TunnelAnswer(step: step, rest: rest, asked: Array(output.bytes))
  }
}

private struct TunnelAnswer: Equatable {
  var step: ProxyTunnel.Step
  var rest: [UInt8]
  var asked: [UInt8]
}
