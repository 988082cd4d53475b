import RWSProtocol

/// The wire between the machine and the server: messages arrive whole and in order, or not at all. A cut at any byte
/// is one before, within or after a message: what was not whole was not sent.
final class SimLink {
  let connection: Connection
  private let clock: Clock
  private(set) var server: ServerConnection?
  /// Gets the messages of one read, each with the turn whose last one it is.
  private var read: (([(text: String, turn: String?)]) -> Void)?
  private(set) var isEnded = false
  /// Neither side hears the other any more, and nobody says so.
  var isHalfOpen = false
  /// The machine reads nothing.
  var isPaused = false { didSet { if !isPaused { scheduleRead(after: 0) } } }
  private var lastToServer: Int64 = 0
  private var kernelFree: Int64 = 0
  /// Those that the kernel has not taken whole.
  private var queued = 0
  private var inbox: [(text: String, turn: String?)] = []
  private var isReadDue = false
  /// When the client read that the connection is at its age limit.
  var limitTold: Int64?
  private(set) var openedAt: Int64?
  var isLimitReached: Bool { server?.isAtLimit ?? false }
  /// It was made to see whether there is WebSocket.
  let isProbe: Bool
  var isHTTP: Bool { connection.transport == .http }

  init(_ connection: Connection, _ clock: Clock) {
    self.connection = connection
    self.clock = clock
    isProbe = connection.isProbe
  }

  var isOpen: Bool { server != nil }

  func open(_ model: ModelServer, isUnauthorized: Bool, read: @escaping ([(text: String, turn: String?)]) -> Void) {
    self.read = read
    openedAt = clock.now
    server = ServerConnection(model, clock, isHTTP: isHTTP, isUnauthorized: isUnauthorized) {
      [weak self] in self?.sendToClient($0, endOf: $1)
    }
  }

  /// - Parameters:
  ///   - isPriming: It is no caller's.
  ///   - kernel: How long the kernel takes for it; those behind wait.
  ///   - flight: How long it is under way then.
  ///   - taken: Called when the kernel has all of it.
  func sendToServer(
    _ body: [UInt8], isPriming: Bool, kernel: Int64, flight: Int64, taken: @escaping () -> Void
  ) {
    let sent = clock.now
    let deliver = { [self] in
      guard !isEnded else { return }
      lastToServer = max(lastToServer, clock.now + flight)
      clock.after(lastToServer - clock.now) { [self] in
        guard !isEnded, !isHalfOpen else { return }
        server?.receive(body, isPriming: isPriming, sent: sent)
      }
      taken()
    }
    // Messages never overtake each other, be it that the clock jumps over the time of one.
    guard queued > 0 || kernel > 0 else { return deliver() }
    queued += 1
    kernelFree = max(kernelFree, clock.now + kernel)
    clock.after(kernelFree - clock.now) { [self] in
      queued -= 1
      deliver()
    }
  }

  func sendToClient(_ text: String, endOf turn: String? = nil) {
    // In order, for things due at once happen in the order of their making.
    clock.after(10) { [self] in
      guard !isEnded, !isHalfOpen else { return }
      inbox.append((text, turn))
      scheduleRead(after: text.utf8.count % 7 == 0 ? 25 : 0)
    }
  }

  private func scheduleRead(after delay: Int64) {
    guard !isReadDue, !isPaused, !inbox.isEmpty else { return }
    isReadDue = true
    clock.after(delay) { [self] in
      isReadDue = false
      guard !isEnded, !isPaused else { return }
      let burst = inbox
      inbox = []
      read?(burst)
    }
  }

  func end() {
    isEnded = true
    server?.disappear()
    server = nil
    read = nil
  }
}
