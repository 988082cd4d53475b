import RWSNetwork
import RWSProtocol

/// The channel keeps it, and it the client, until either side ends the connection.
final class WebSocketLink: Link {
  let connection: Connection
  private let client: ClientCore
  private var channel: WebSocketChannel?
  private let start: Int64

  init(_ connection: Connection, _ client: ClientCore) {
    self.connection = connection
    self.client = client
    start = client.loop.now
    channel = WebSocketChannel(
      connecting: client.connectOptions(on: connection.routeID), on: client.loop, delegate: self)
  }

  func send(_ body: [UInt8], of turn: TurnID) -> ResponsesError? {
    guard let channel else { return nil }
    let bytesMax = client.sentMessageBytesMax
    guard body.count <= bytesMax else { return .requestTooLarge(body, bytesMax: bytesMax) }
    if channel.isClosing {
      // It was idle for too long. The turn goes elsewhere, and need not wait for the peer's close frame.
      close()
      client.loop.schedule(at: 0) { [self] in client.linkEnded(self, .closedLocally) }
      return nil
    }
    guard !channel.send(text: body, tag: turn.value), channel.isOpen else { return nil }
    // By the bound on queued bytes.
    return ResponsesError(.messageTooLarge, "The request is too large to be queued for sending.")
  }

  /// Lost with the connection if it is not taken; that ends the turn and tells the steer.
  func send(steer event: [UInt8]) { channel?.send(text: event, tag: 0) }

  func pause(_ isPaused: Bool) {
    if isPaused { channel?.pauseReading() } else { channel?.resumeReading() }
  }

  func noteUse() { channel?.isInUse = connection.isInUse }

  func close() {
    guard let channel else { return }
    self.channel = nil
    client.bury(channel)
  }
}

extension WebSocketLink: WebSocketChannelDelegate {
  func channelOpened(_ channel: WebSocketChannel, _ info: HandshakeInfo) {
    client.note(info.fields, of: connection)
    client.linkOpened(self, info.stream, since: start)
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
