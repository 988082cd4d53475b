import CLinux
import Glibc
import RWSWebSocket

package protocol ListenerDelegate: AnyObject {
  /// A connection came; set its delegate in this call. (With TLS the handshake is still to come.)
  func listener(_ listener: Listener, accepted channel: ServerChannel)
}

package struct ListenOptions: Sendable {
  /// A numeric address or a name that resolves to local ones, as in `127.0.0.1`, `::1`, `localhost`.
  package var host = "127.0.0.1"
  /// 0: the kernel chooses; see `Listener.port`.
  package var port: UInt16 = 0
  package var tls: TLSContext?
  /// A request's body is refused (413) beyond this.
  package var requestBodyBytes = 64 << 20
  /// From accept to the request's last byte, TLS included.
  package var requestTimeoutNanoseconds: Int64 = 30_000_000_000
  /// Whether a connection takes another request after an answer (RFC 9112 §9.3), and so the delegate too.
  package var keepsConnections = false
  /// How the channel itself refuses a request that the delegate never sees: malformed, too large, too slow.
  package var refusal: @Sendable (_ status: Int, _ explanation: String) -> HTTPAnswer = {
    HTTPAnswer(status: $0, body: Array($1.utf8))
  }
  /// Puts something between a client and its channel: takes the accepted descriptor, and gives the one to
  /// serve instead.
  package var onAccept: (@Sendable (_ accepted: Int32) throws(NetworkFailure) -> Int32)?

  package init() {}
}

/// Accepts connections on a loop until closed; until then the loop keeps it and its delegate alive. Confined
/// to the loop's driving thread after `init`.
package final class Listener {
  package private(set) var delegate: (any ListenerDelegate)?
  /// The port that is bound, also when 0 was asked for.
  package let port: UInt16

  private let options: ListenOptions
  private let loop: EventLoop
  private var descriptor: Int32
  private var registration: Registration?
  private var pause: TimerID?

  private static let backlog: Int32 = 1024
  private static let acceptsPerEvent = 64
  /// How long accepting rests when descriptors or memory run out. The connection stays in the kernel's queue.
  private static let restNanoseconds: Int64 = 50_000_000

  /// Binds and listens at once (SO_REUSEADDR); accepts as soon as the loop runs. May be made on another
  /// thread than the driving one only before the loop is driven. Blocks while `host` is resolved.
  package init(
    _ options: ListenOptions, on loop: EventLoop, delegate: any ListenerDelegate
  ) throws(NetworkFailure) {
    self.options = options
    self.loop = loop
    self.delegate = delegate
    (descriptor, port) = try Self.bind(options)
    do throws(NetworkFailure) {
      registration = try loop.add(descriptor, interest: EPOLLIN.rawValue, handler: self)
    } catch {
      Glibc.close(descriptor)
      throw error
    }
  }

  /// Stops accepting. Accepted connections go on.
  package func close() {
    guard descriptor >= 0 else { return }
    if !loop.isForkedChild {
      if let pause { loop.cancel(pause) }
      if let registration { loop.remove(registration) }
    }
    pause = nil
    registration = nil
    Glibc.close(descriptor)
    descriptor = -1
    delegate = nil
  }

  private static func bind(
    _ options: ListenOptions
  ) throws(NetworkFailure) -> (descriptor: Int32, port: UInt16) {
    let addresses: [SocketAddress]
    switch Resolver.resolveBlocking(options.host, options.port) {
    case .addresses(let found): addresses = found
    case .failure(let failure): throw .unresolved(options.host, failure.text)
    }
    var code = EADDRNOTAVAIL
    for address in addresses {
      let descriptor = Socket.make(family: address.family)
      guard descriptor >= 0 else {
        code = errno
        continue
      }
      Socket.setReuseAddress(descriptor)
      if address.withSockaddr({ Glibc.bind(descriptor, $0, address.length) }) == 0,
        listen(descriptor, backlog) == 0,
        let bound = SocketAddress(fill: { getsockname(descriptor, $0, $1) })
      {
        return (descriptor, bound.port)
      }
      code = errno
      Glibc.close(descriptor)
      // Another address of the same name would be free, but is not where the port's owner is met.
      if code == EADDRINUSE { break }
    }
    let place = hostAndPort(options.host, options.port)
    throw NetworkFailure(
      .unreachable,
      "Listening on \(place) is not possible: \(systemMessage(code)). Choose another address or port."
    )
  }
}

extension Listener: DescriptorHandler {
  package func ready(_ events: UInt32) {
    let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    for _ in 0..<Self.acceptsPerEvent {
      guard descriptor >= 0 else { return }
      var accepted: Int32 = -1
      let address = SocketAddress { raw, length in
        accepted = accept4(descriptor, raw, length, flags)
        return accepted
      }
      guard let address else {
        let code = errno
        if accepted >= 0 { Glibc.close(accepted) }
        switch code {
        case EINTR, ECONNABORTED, EPROTO: continue
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: return rest()
        default: return
        }
      }
      accept(accepted, from: address)
    }
  }

  private func accept(_ accepted: Int32, from address: SocketAddress) {
    Socket.setNoDelay(accepted)
    do throws(NetworkFailure) {
      serve(try options.onAccept?(accepted) ?? accepted, from: address)
    } catch {
      Socket.close(accepted)
    }
  }

  private func serve(_ descriptor: Int32, from address: SocketAddress) {
    do throws(NetworkFailure) {
      let channel = try ServerChannel(descriptor, from: address, options, on: loop)
      guard let delegate else { return channel.abort() }
      delegate.listener(self, accepted: channel)
    } catch {
      Socket.close(descriptor)
    }
  }

  /// Level-triggered readiness would call again at once, without end.
  private func rest() {
    guard let registration else { return }
    loop.modify(registration, interest: 0)
    pause = loop.schedule(at: loop.now &+ Self.restNanoseconds) {
      guard let registration = self.registration else { return }
      self.pause = nil
      self.loop.modify(registration, interest: EPOLLIN.rawValue)
    }
  }
}
