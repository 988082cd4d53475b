import Glibc
import RWSWebSocket

/// Where and how a client channel connects.
package struct ConnectOptions: Sendable {
  package var url: WebSocketURL
  /// Needed for a `wss` URL, not used for others.
  package var tls: TLSContext?
  /// Sent besides those of the handshake (a Host among them replaces the URL's).
  package var fields: HTTPFields
  /// DNS, TCP, TLS and upgrade together.
  package var timeoutNanoseconds: Int64 = 15_000_000_000
  package var limits = ChannelLimits()

  package init(url: WebSocketURL, tls: TLSContext? = nil, fields: HTTPFields = HTTPFields()) {
    self.url = url
    self.tls = tls
    self.fields = fields
  }
}

/// A client's way to an open WebSocket, within one time limit.
///
///   resolving ──▶ connecting ──▶ securing (wss) ──▶ upgrading ──▶ ended(upgraded)
///       └─────────────┴───────────────┴────────────────┴──failure, time limit──▶ ended(failed)
final class ClientConnection {
  enum Outcome: ~Copyable {
    /// What came after the head of the answer is in the buffer.
    case upgraded(ByteStream, HandshakeInfo, ByteBuffer)
    case failed(NetworkFailure)
  }

  private enum State {
    case idle
    case resolving(Resolver.Lookup, LoopConfined<ClientConnection>)
    case connecting(Connector)
    case securing(ByteStream)
    case upgrading(ByteStream)
    case ended
  }

  /// Host and port, for messages.
  let peer: String

  private let options: ConnectOptions
  private let loop: EventLoop
  private let deadline: Int64
  private let port: UInt16
  private var state = State.idle
  private var timer: TimerID?
  private var completion: ((consuming Outcome) -> Void)?
  private var peerAddress = ""
  private var handshake: ClientHandshake?
  private var input = ByteBuffer(bytesMax: 512 << 10)
  private var output = ByteBuffer(bytesMax: 512 << 10)

  private static let readChunk = 16 << 10

  init(_ options: ConnectOptions, on loop: EventLoop) {
    self.options = options
    self.loop = loop
    port = UInt16(clamping: options.url.port)
    peer = hostAndPort(options.url.host, port)
    deadline = MonotonicClock.deadline(after: options.timeoutNanoseconds)
  }

  /// `completion` is called once, from the loop, never inside this call; not after `cancel`.
  func start(_ completion: @escaping (consuming Outcome) -> Void) {
    self.completion = completion
    timer = loop.schedule(at: deadline) { self.timedOut() }
    loop.schedule(at: 0) { self.begin() }
  }

  func cancel() {
    completion = nil
    leave()
  }

  private func begin() {
    guard completion != nil else { return }
    guard !options.url.isSecure || options.tls != nil else {
      return fail(NetworkFailure(.tls, "A wss URL needs a TLS configuration; none was given."))
    }
    var nonce = [UInt8](repeating: 0, count: 16)
    guard nonce.withUnsafeMutableBytes({ OpenSSLLibrary.random($0) }) else {
      return fail(NetworkFailure(.resources, "The system gave no random bytes for the handshake."))
    }
    do throws(UpgradeRequestError) {
      handshake = try ClientHandshake(url: options.url, nonce: nonce, fields: options.fields)
    } catch {
      return fail(NetworkFailure(.handshake, "The upgrade cannot be requested: \(error)."))
    }
    resolve()
  }

  // MARK: The stages

  private func resolve() {
    let host = options.url.host
    if let address = Resolver.numeric(host, port) { return connect(to: [address]) }
    let back = LoopConfined(self)
    state = .resolving(
      Resolver.resolve(host, port, on: loop) { back.value?.resolved($0) }, back)
  }

  private func resolved(_ outcome: Resolver.Outcome) {
    guard case .resolving(_, let back) = state else { return }
    back.value = nil
    switch outcome {
    case .addresses(let addresses): connect(to: addresses)
    case .failure(let text): fail(.unresolved(options.url.host, text))
    }
  }

  private func connect(to addresses: [SocketAddress]) {
    let connector = Connector(to: addresses, deadline: deadline, on: loop) { self.connected($0) }
    state = .connecting(connector)
    connector.start()
  }

  private func connected(_ outcome: Connector.Outcome) {
    switch outcome {
    case .failed(let code, let address): fail(.unconnected(peer, address, code))
    case .connected(let descriptor, let address):
      peerAddress = address.description
      open(descriptor)
    }
  }

  private func open(_ descriptor: Int32) {
    var session: TLSSession?
    if options.url.isSecure, let tls = options.tls {
      do throws(TLSFailure) {
        session = try TLSSession(tls, connectedTo: options.url.host, descriptor)
      } catch {
        Socket.close(descriptor)
        return fail(.tls(peer, error))
      }
    }
    let stream = ByteStream(descriptor, tls: session, on: loop, owner: self)
    state = .securing(stream)
    do throws(NetworkFailure) {
      try stream.start()
    } catch {
      return fail(error)
    }
    if session == nil { upgrade(stream) }
  }

  private func upgrade(_ stream: ByteStream) {
    state = .upgrading(stream)
    do throws(BufferFull) {
      try handshake?.writeRequest(to: &output)
    } catch {
      return fail(
        NetworkFailure(
          .handshake,
          "The upgrade request is larger than \(error.limitBytes) bytes. Send fewer headers."))
    }
    streamWritable()
  }

  private func answered(_ step: ClientHandshake.Step, _ stream: ByteStream) {
    switch step {
    case .needMore: break
    case .failed(let failure):
      fail(
        NetworkFailure(
          .handshake,
          "The WebSocket handshake with \(peer) failed: \(failure). Check the URL and any proxy between."
        ))
    case .refused(let refusal): fail(.refused(peer, refusal))
    case .upgraded(let head):
      let info = HandshakeInfo(
        status: head.status, fields: head.fields, peerAddress: peerAddress,
        tlsVersion: stream.tlsVersion)
      var rest = ByteBuffer(bytesMax: 0)
      swap(&rest, &input)
      state = .ended
      finish(.upgraded(stream, info, rest))
    }
  }

  // MARK: Ending

  private func timedOut() {
    timer = nil
    let stage: NetworkFailure.Stage
    switch state {
    case .idle, .resolving: stage = .resolving
    case .connecting: stage = .connecting
    case .securing: stage = .securing
    case .upgrading:
      stage = .upgrading
      // A refusal whose body is late says more than the time limit.
      if let step = handshake?.receiveEOF(), case .refused(let refusal) = step {
        return fail(.refused(peer, refusal))
      }
    case .ended: return
    }
    fail(.timedOut(peer, stage, options.timeoutNanoseconds))
  }

  private func fail(_ failure: NetworkFailure) {
    leave()
    finish(.failed(failure))
  }

  private func finish(_ outcome: consuming Outcome) {
    if let timer { loop.cancel(timer) }
    timer = nil
    let completion = self.completion
    self.completion = nil
    completion?(outcome)
  }

  /// Gives up what the current stage holds.
  private func leave() {
    if let timer { loop.cancel(timer) }
    timer = nil
    switch state {
    case .idle, .ended: break
    case .resolving(let lookup, let back):
      lookup.cancel()
      back.value = nil
    case .connecting(let connector): connector.cancel()
    case .securing(let stream), .upgrading(let stream): stream.close()
    }
    state = .ended
  }

  func closeInForkedChild() {
    switch state {
    case .idle, .resolving, .ended: break
    case .connecting(let connector): connector.closeInForkedChild()
    case .securing(let stream), .upgrading(let stream): stream.closeInForkedChild()
    }
  }
}

extension ClientConnection: ByteStreamOwner {
  func streamSecured() {
    guard case .securing(let stream) = state else { return }
    upgrade(stream)
  }

  func streamFailed(_ failure: StreamFailure) {
    switch failure {
    case .tls(let failure): fail(.tls(peer, failure))
    case .system: fail(.lost(peer, failure))
    }
  }

  func streamWritable() {
    guard case .upgrading(let stream) = state else { return }
    while !output.isEmpty {
      switch stream.write(output.bytes) {
      case .bytes(let count): output.consume(count)
      case .wouldBlock: return
      // The answer may have come already; reading tells.
      case .failed: return streamReadable()
      }
    }
    output.shrink()
  }

  func streamReadable() {
    while case .upgrading(let stream) = state {
      let room: UnsafeMutableRawBufferPointer
      do throws(BufferFull) {
        room = try input.reserve(Self.readChunk)
      } catch {
        return fail(.lost(peer, nil))
      }
      switch stream.read(into: room) {
      case .bytes(let count):
        input.commit(count)
        guard let step = handshake?.next(&input) else { return }
        answered(step, stream)
      case .wouldBlock: return
      case .end:
        guard let step = handshake?.receiveEOF() else { return }
        answered(step, stream)
      // With TLS 1.3 a server refuses a handshake after the client thinks it is done.
      case .failed(let failure): return streamFailed(failure)
      }
    }
  }
}

/// Carries a reference that belongs to a loop through a `@Sendable` closure that runs on it. The loop's side
/// empties it, so that a resolver's thread, which may free the box, never frees the value.
private final class LoopConfined<Value: AnyObject>: @unchecked Sendable {
  var value: Value?

  init(_ value: Value) { self.value = value }
}
