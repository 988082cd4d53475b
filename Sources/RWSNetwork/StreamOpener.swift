import Glibc
import RWSWebSocket

/// A client's way to an open stream of bytes to its target: one stage after the other, each within its own time
/// limit and all within one.
///
///   [resolvingTarget ─▶] resolving ─▶ connecting ─▶ [securingProxy ─▶ tunnelling] ─▶
///     securing (wss, https) ─▶ ended
///
/// With a proxy it is the proxy that is dialled, after the target was looked up if the proxy wants an address
/// (SOCKS5, as opposed to SOCKS5h). The tunnel's machine then talks over the stream until the proxy
/// agrees, and what follows goes through: TLS with the target is laid over the stream as it is then, be that TCP
/// or TLS with the proxy.
final class StreamOpener {
  enum Outcome {
    /// The stream is the receiver's, who must take it over before it returns.
    case opened(ByteStream, StreamInfo)
    case failed(NetworkFailure)
  }

  private enum State {
    case idle
    case resolvingTarget(Resolver.Lookup, LoopConfined<StreamOpener>)
    case resolving(Dialer)
    case connecting(Dialer)
    case securingProxy(ByteStream)
    case tunnelling(ByteStream)
    case securing(ByteStream)
    case ended

    var stage: NetworkFailure.Stage? {
      switch self {
      case .idle, .resolvingTarget, .resolving: .resolving
      case .connecting: .connecting
      case .securingProxy, .securing: .securing
      case .tunnelling: .tunnelling
      case .ended: nil
      }
    }
  }

  /// Host and port of the target, for messages.
  let peer: String
  /// Of the whole way, what comes after the opening included.
  let deadline: Int64

  private let options: ConnectOptions
  private let loop: EventLoop
  private var state = State.idle
  private var timer: TimerID?
  private var completion: ((Outcome) -> Void)?
  private var peerAddress = ""
  private var targetAddress: IPAddress?
  private var tunnel: ProxyTunnel?
  private var input = ByteBuffer(bytesMax: 512 << 10)
  private var output = ByteBuffer(bytesMax: 512 << 10)

  private static let readChunk = 16 << 10

  init(_ options: ConnectOptions, on loop: EventLoop) {
    self.options = options
    self.loop = loop
    peer = hostAndPort(options.url.host, UInt16(clamping: options.url.port))
    deadline = MonotonicClock.deadline(after: options.timeouts.overall)
  }

  /// `completion` is called once, from the loop and possibly inside this call; not after `cancel`.
  func start(_ completion: @escaping (Outcome) -> Void) {
    self.completion = completion
    guard !options.url.isSecure || options.tls != nil else {
      return fail(NetworkFailure(.tls, "A wss URL needs a TLS configuration; none was given."))
    }
    if let proxy = options.proxy {
      guard !proxy.needsTLS || proxy.tls != nil else {
        return fail(NetworkFailure(.tls, "An https proxy needs a TLS configuration; none was given."))
      }
      if proxy.needsTargetAddress, IPAddress(options.url.host.utf8) == nil { return resolveTarget() }
    }
    dial()
  }

  func cancel() {
    completion = nil
    leave()
  }

  private func resolveTarget() {
    let (host, port) = (options.url.host, UInt16(clamping: options.url.port))
    let back = LoopConfined(self)
    let lookup = Resolver.resolve(host, port, on: loop) { back.value?.resolvedTarget($0) }
    enter(.resolvingTarget(lookup, back))
  }

  private func resolvedTarget(_ outcome: Resolver.Outcome) {
    guard case .resolvingTarget(_, let back) = state else { return }
    back.value = nil
    switch outcome {
    case .failure(let failure):
      fail(
        .unresolved(
          options.url.host, "\(failure.text). A socks5h:// proxy would look it up itself"))
    case .addresses(let addresses):
      // The proxy takes one: the system's first choice.
      targetAddress = addresses.lazy.compactMap(\.ip).first
      dial()
    }
  }

  // MARK: Dialling the target or its proxy

  private var dialledHost: String { options.proxy?.host ?? options.url.host }
  private var dialledPort: UInt16 { options.proxy?.port ?? UInt16(clamping: options.url.port) }

  /// For messages: who is talked to before the target is.
  private var dialledPeer: String { options.proxy?.description ?? peer }

  /// For messages: who is talked to now.
  private var currentPeer: String {
    switch state {
    case .resolving, .connecting, .securingProxy, .tunnelling: dialledPeer
    case .idle, .resolvingTarget, .securing, .ended: peer
    }
  }

  private func dial() {
    let address = Resolver.numeric(dialledHost, dialledPort)
    let dialer = Dialer(
      address.map { .addresses([$0]) } ?? .name(dialledHost, dialledPort),
      options.happyEyeballs, lookupDeadline: stageDeadline(.resolving), on: loop,
      began: { self.dialling() }, completion: { self.dialled($0) })
    enter(.resolving(dialer))
    dialer.start()
  }

  private func dialling() {
    guard case .resolving(let dialer) = state else { return }
    enter(.connecting(dialer))
  }

  private func dialled(_ outcome: Dialer.Outcome) {
    switch outcome {
    case .unresolved(let text):
      let name = options.proxy.map { "\($0.host) of \($0.description)" } ?? options.url.host
      fail(.unresolved(name, text))
    case .failed(let code, let address): fail(.unconnected(dialledPeer, address, code))
    case .connected(let descriptor, let address):
      peerAddress = address.description
      open(descriptor)
    }
  }

  private func open(_ descriptor: Int32) {
    let stream = ByteStream(descriptor, on: loop, owner: self)
    do throws(NetworkFailure) {
      try stream.start()
    } catch {
      stream.close()
      return fail(error)
    }
    guard let proxy = options.proxy else { return secure(stream) }
    if proxy.needsTLS, let tls = proxy.tls {
      enter(.securingProxy(stream))
      secure(stream, tls, for: proxy.host, proxy.port)
    } else {
      openTunnel(stream)
    }
  }

  // MARK: The proxy

  private func openTunnel(_ stream: ByteStream) {
    guard let proxy = options.proxy else { return }
    var fields = HTTPFields()
    // Some proxies refuse who does not say what it is.
    if let agent = options.fields["User-Agent"] { fields.append("User-Agent", agent) }
    let tunnel = ProxyTunnel(
      proxy.proxy.url, to: options.url, address: targetAddress, fields: fields)
    self.tunnel = tunnel
    enter(.tunnelling(stream))
    do throws(BufferFull) { try tunnel.start(&output) } catch { return failTunnel(tooLarge: error) }
    streamWritable()
  }

  /// `hasEnded`: the proxy ended the stream.
  private func advanceTunnel(_ stream: ByteStream, hasEnded: Bool = false) {
    let step: ProxyTunnel.Step?
    do throws(BufferFull) {
      step = hasEnded ? tunnel?.receiveEOF() : try tunnel?.next(&input, &output)
    } catch {
      return failTunnel(tooLarge: error)
    }
    switch step {
    case nil: break
    case .needMore: streamWritable()
    case .failed(let failure): fail(.noTunnel(dialledPeer, to: peer, failure))
    case .open:
      // Neither TLS nor a WebSocket server speaks first: it would be the proxy's own words.
      guard input.isEmpty, output.isEmpty else {
        return fail(.brokenProxy(dialledPeer, to: peer, "it sent more than its answer"))
      }
      tunnel = nil
      secure(stream)
    }
  }

  private func failTunnel(tooLarge error: BufferFull) {
    fail(
      .brokenProxy(
        dialledPeer, to: peer, "the request to it is larger than \(error.limitBytes) bytes"))
  }

  // MARK: The target

  private func secure(_ stream: ByteStream) {
    guard options.url.isSecure, let tls = options.tls else { return finish(stream) }
    enter(.securing(stream))
    secure(stream, tls, for: options.url.host, UInt16(clamping: options.url.port))
  }

  private func secure(_ stream: ByteStream, _ tls: TLSContext, for host: String, _ port: UInt16) {
    do throws(TLSFailure) {
      stream.secure(
        try TLSSession(tls, connectedTo: host, port: port, over: stream.transport))
    } catch {
      return fail(.tls(currentPeer, error))
    }
  }

  // MARK: Stages and their time

  /// Each stage begins here, and with it its time.
  private func enter(_ next: State) {
    state = next
    stopTimer()
    guard let stage = next.stage else { return }
    timer = loop.schedule(at: stageDeadline(stage)) { self.timedOut(in: stage) }
  }

  private func stageDeadline(_ stage: NetworkFailure.Stage) -> Int64 {
    min(deadline, MonotonicClock.deadline(after: options.timeouts.limit(of: stage)))
  }

  private func timedOut(in stage: NetworkFailure.Stage) {
    timer = nil
    // A refusal whose body is late says more than the time limit.
    if case .tunnelling = state, case .failed(let failure)? = tunnel?.receiveEOF(),
      failure.answer != nil
    {
      return fail(.noTunnel(dialledPeer, to: peer, failure))
    }
    fail(.timedOut(currentPeer, stage, options.timeouts, deadline: deadline))
  }

  private func stopTimer() {
    if let timer { loop.cancel(timer) }
    timer = nil
  }

  // MARK: Ending

  private func fail(_ failure: NetworkFailure) {
    leave()
    finish(.failed(failure))
  }

  private func finish(_ stream: ByteStream) {
    state = .ended
    let info = StreamInfo(
      peerAddress: peerAddress, tlsVersion: options.url.isSecure ? stream.tlsVersion : nil,
      tlsResumed: options.url.isSecure && stream.isTLSResumed,
      proxy: options.proxy?.proxy.url.description)
    finish(.opened(stream, info))
  }

  private func finish(_ outcome: Outcome) {
    stopTimer()
    let completion = self.completion
    self.completion = nil
    completion?(outcome)
  }

  /// Gives up what the current stage holds.
  private func leave() {
    stopTimer()
    switch state {
    case .idle, .ended: break
    case .resolvingTarget(let lookup, let back):
      lookup.cancel()
      back.value = nil
    case .resolving(let dialer), .connecting(let dialer): dialer.cancel()
    case .securingProxy(let stream), .tunnelling(let stream), .securing(let stream):
      stream.close()
    }
    state = .ended
  }

  func closeInForkedChild() {
    switch state {
    case .idle, .resolvingTarget, .ended: break
    case .resolving(let dialer), .connecting(let dialer): dialer.closeInForkedChild()
    case .securingProxy(let stream), .tunnelling(let stream), .securing(let stream):
      stream.closeInForkedChild()
    }
  }
}

extension StreamOpener: ByteStreamOwner {
  func streamSecured() {
    switch state {
    case .securingProxy(let stream): openTunnel(stream)
    case .securing(let stream): finish(stream)
    case .idle, .resolvingTarget, .resolving, .connecting, .tunnelling, .ended: break
    }
  }

  func streamFailed(_ failure: StreamFailure) {
    switch failure {
    case .tls(let failure): fail(.tls(currentPeer, failure))
    case .system(let code):
      switch state {
      case .securingProxy, .tunnelling:
        fail(.brokenProxy(dialledPeer, to: peer, "the connection was lost: \(systemMessage(code))"))
      case .idle, .resolvingTarget, .resolving, .connecting, .securing, .ended:
        fail(.lost(peer, failure))
      }
    }
  }

  func streamWritable() {
    guard case .tunnelling(let stream) = state else { return }
    // The answer may have come already; reading tells.
    if stream.write(from: &output) != nil { streamReadable() }
  }

  func streamReadable() {
    while case .tunnelling(let stream) = state {
      let outcome: ByteStream.ReadOutcome
      do throws(BufferFull) {
        outcome = try stream.read(into: &input, chunk: Self.readChunk)
      } catch {
        return fail(.lost(currentPeer, nil))
      }
      switch outcome {
      case .bytes:
        advanceTunnel(stream)
      case .wouldBlock: return
      case .end: return advanceTunnel(stream, hasEnded: true)
      case .failed(let failure): return streamFailed(failure)
      }
    }
  }
}
