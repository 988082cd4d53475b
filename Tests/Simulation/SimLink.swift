import RWSProtocol

/// The wire between the machine and the server: messages arrive whole and in order, or not at all.
final class SimLink {
  let connection: Connection
  private let clock: Clock
  private(set) var server: ServerConnection?
  private var receive: ((UnsafeRawBufferPointer, String?) -> Void)?
  private var isEnded = false
  private var lastToServer: Int64 = 0

  init(_ connection: Connection, _ clock: Clock) {
    self.connection = connection
    self.clock = clock
  }

  /// - Parameter receive: Gets a message, and the turn whose last one it is.
  func open(_ model: ModelServer, receive: @escaping (UnsafeRawBufferPointer, String?) -> Void) {
    self.receive = receive
    server = ServerConnection(model, clock) { [weak self] in self?.sendToClient($0, endOf: $1) }
  }

  /// - Parameter sent: When the client decided to.
  func sendToServer(_ body: [UInt8], sent: Int64, after delay: Int64) {
    lastToServer = max(lastToServer, clock.now + delay)
    clock.after(lastToServer - clock.now) { [self] in
      guard !isEnded else { return }
      server?.receive(body, sent: sent)
    }
  }

  func sendToClient(_ text: String, endOf turn: String? = nil) {
    // In order, for things due at once happen in the order of their making.
    clock.after(10) { [self] in
      guard !isEnded else { return }
      Array(text.utf8).withUnsafeBytes { receive?($0, turn) }
    }
  }

  func end() {
    isEnded = true
    server?.disappear()
    server = nil
    receive = nil
  }
}
