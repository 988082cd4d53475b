import RWSNetwork
import RWSProtocol

/// One connection of the machine and the channel that carries it: reports what happens. Confined to the
/// client's loop. The channel keeps it, and it the client, until either side ends the connection.
final class Link {
  let connection: Connection
  private let client: ClientCore
  private(set) var channel: WebSocketChannel?
  private let start: Int64

  init(_ connection: Connection, _ client: ClientCore) {
    self.connection = connection
    self.client = client
    start = client.loop.now
    channel = client.makeChannel(on: connection.routeID, delegate: self)
  }

  /// A connection without a response in flight may be given up when it has been idle for long.
  func noteUse() { channel?.isInUse = connection.isInUse }

  /// The machine has let go of the connection.
  func release() -> WebSocketChannel? {
    defer { channel = nil }
    return channel
  }
}

extension Link: WebSocketChannelDelegate {
  func channelOpened(_ channel: WebSocketChannel, _ info: HandshakeInfo) {
    let milliseconds = (client.loop.refreshNow() - start) / 1_000_000
    client.log(.info, "connected to \(info.stream.description) in \(milliseconds) ms")
    client.drive { $0.opened(connection, now: $1) }
  }

  func channel(_ channel: WebSocketChannel, receivedText text: UnsafeRawBufferPointer) {
    client.receive(connection, text)
  }

  func channel(_ channel: WebSocketChannel, receivedBinary bytes: UnsafeRawBufferPointer) {
    // The protocol has text messages only; a binary one is no event.
    client.receive(connection, UnsafeRawBufferPointer(start: nil, count: 0))
  }

  func channelFinishedRead(_ channel: WebSocketChannel) {
    client.drive { machine, _ in
      machine.finishedRead(connection, now: Instant(nanoseconds: client.loop.now))
    }
  }

  func channel(_ channel: WebSocketChannel, flushed tag: UInt64) {
    client.drive { $0.flushed(TurnID(tag), now: $1) }
  }

  func channelClosed(_ channel: WebSocketChannel, _ failure: NetworkFailure) {
    self.channel = nil
    client.linkEnded(self, failure)
  }
}
