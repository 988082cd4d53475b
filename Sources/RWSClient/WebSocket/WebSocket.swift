import RWSNetwork
import RWSWebSocket

/// A WebSocket connection without session logic, for programs that bring their own state. It has its
/// client's credentials, TLS, proxy and limits, and runs on its client's I/O thread.
///
/// Thread-safe; one reader at a time. Read with `receive()`, or in async code with
/// `for try await message in socket`. A connection that is dropped is cut; `close()` parts in good order.
public final class WebSocket: Sendable {
  let client: Client
  package let core: WebSocketCore
  private let driver: WebSocketDriver
  private let sentMessageBytesMax: Int

  /// Begins to connect and returns at once. What is sent before the connection is open waits for that.
  /// Throws what is wrong with the options.
  convenience init(_ client: Client, _ options: Options) throws(ResponsesError) {
    let prepared = try Self.prepare(client, options, onMessage: nil)
    self.init(prepared)
    try prepared.launch()
  }

  /// What of a connection is there before it begins, so that a callback can know its handle first.
  package struct Prepared {
    let client: Client
    let core: WebSocketCore
    let driver: WebSocketDriver
    let sentMessageBytesMax: Int
    package let launch: () throws(ResponsesError) -> Void
  }

  /// - Parameter onMessage: called on the I/O thread for each message, then once with nil for the end.
  package static func prepare(
    _ client: Client, _ options: Options, onMessage: (@Sendable (Message?) -> Void)?
  ) throws(ResponsesError) -> Prepared {
    if let refusal = client.core.refusal { throw refusal }
    for (bytes, name) in [
      (options.receiveQueueBytesMax, "receive_queue_bytes_max"),
      (options.sendQueueBytesMax, "send_queue_bytes_max"),
    ] where !(1...Options.queueBytesLimit ~= bytes) {
      throw ResponsesError(.invalidArgument, "\(name) must be from 1 byte to 1 GiB.")
    }
    let connect = try client.core.connectOptions(for: options)
    let core = WebSocketCore(options, onMessage: onMessage)
    let driver = WebSocketDriver(core, of: client.core, secrets: Secrets(options.headers),
      asksForKey: client.core.asksForKey(options, to: connect.url))
    let sentMessageBytesMax = client.core.options.effectiveSentMessageBytesMax(
      host: connect.url.host)
    return Prepared(
      client: client, core: core, driver: driver, sentMessageBytesMax: sentMessageBytesMax
    ) { () throws(ResponsesError) in
      guard client.core.loop.post({ driver.start(connect) }) else {
        throw ResponsesError(.closed, "The client is closed.")
      }
    }
  }

  package init(_ prepared: Prepared) {
    client = prepared.client
    core = prepared.core
    driver = prepared.driver
    sentMessageBytesMax = prepared.sentMessageBytesMax
  }

  deinit { abandon() }

  /// The caller has let go: the connection is cut, and when this returns its callback runs no more (called
  /// from that callback: after it has returned).
  package func abandon() {
    guard !client.core.isForkedChild else { return }
    core.abandon(waitingForCallback: !client.core.thread.isCurrent)
    client.core.loop.post { [driver] in driver.abort() }
  }

  // MARK: Opening

  /// Waits until the connection is open. Throws why it could not be made.
  /// - Returns: false if it is still connecting after `timeout`.
  @discardableResult
  public func connect(timeout: Duration? = nil) throws(ResponsesError) -> Bool {
    guard try wait(.outcome, timeout) else { return false }
    try checkOutcome()
    return true
  }

  package func checkOutcome() throws(ResponsesError) {
    guard core.handshake?.status != 101 else { return }
    throw core.ending?.error ?? ResponsesError(.closed, "The connection was closed before it was open.")
  }

  // MARK: Sending

  /// Queues a text message and returns at once.
  public func send(_ text: String) throws(ResponsesError) {
    try send(.text(Array(text.utf8)))
  }

  /// Queues a text message; `utf8` must be valid UTF-8.
  public func send(text utf8: [UInt8]) throws(ResponsesError) {
    guard utf8.withUnsafeBytes({ UTF8Validator.isValid($0) }) else {
      throw ResponsesError(
        .invalidArgument, "A text message must be valid UTF-8; send other bytes as binary.")
    }
    try send(.text(utf8))
  }

  /// Queues a binary message and returns at once.
  public func send(binary bytes: [UInt8]) throws(ResponsesError) {
    try send(.binary(bytes))
  }

  /// Queues a ping of at most 125 bytes; the answer sets `roundTripTime`.
  public func ping(_ payload: [UInt8] = []) throws(ResponsesError) {
    guard payload.count <= 125 else {
      throw ResponsesError(
        .invalidArgument, "A ping carries at most 125 bytes (RFC 6455 section 5.5).")
    }
    try send(.ping(payload))
  }

  private func send(_ outgoing: WebSocketDriver.Outgoing) throws(ResponsesError) {
    try checkProcess()
    guard outgoing.weight - WebSocketDriver.Outgoing.headerBytesMax <= sentMessageBytesMax else {
      throw ResponsesError(
        .messageTooLarge,
        "The message is larger than \(sentMessageBytesMax) bytes (sent_message_bytes_max).")
    }
    try core.admit(outgoing.weight)
    // From a callback at once: an answer must leave before the peer's next frame is looked at, which may
    // end the connection.
    if client.core.thread.isCurrent { return driver.send(outgoing) }
    guard client.core.loop.post({ [driver] in driver.send(outgoing) }) else {
      throw ResponsesError(.closed, "The client is closed.")
    }
  }

  /// Waits until everything sent so far is with the kernel. Throws what prevents it.
  /// - Returns: false if something is left after `timeout`.
  @discardableResult
  public func flush(timeout: Duration? = nil) throws(ResponsesError) -> Bool {
    guard try wait(.flushed, timeout) else { return false }
    if let error = core.unflushedError { throw error }
    return true
  }

  // MARK: Receiving

  public enum Next: Sendable {
    case message(Message)
    /// Closed in good order: by this side, or by the peer with code 1000, 1001 or none.
    case ended
    /// Nothing came within the time given.
    case nothingYet
  }

  /// The next message; nil at a good end. Waits without limit. Throws the error that ended the connection.
  public func receive() throws(ResponsesError) -> Message? {
    switch try receive(within: nil) {
    case .message(let message): message
    case .ended, .nothingYet: nil
    }
  }

  /// As `receive()`, waiting at most `timeout`; nil: no limit.
  public func receive(within timeout: Duration?) throws(ResponsesError) -> Next {
    try checkProcess()
    // Often a message is there: neither the clock nor the thread matters then.
    var received = core.receive(until: 0, hasRoomAgain: resume)
    if case .nothingYet = received, timeout != .zero {
      try client.core.checkMayWait()
      received = core.receive(until: deadline(timeout), hasRoomAgain: resume)
    }
    switch received {
    case .message(let message): return .message(message)
    case .ended(nil): return .ended
    case .ended(let error?): throw error
    case .nothingYet: return .nothingYet
    case .isBusy:
      throw ResponsesError(
        .busy, "Another thread is reading this connection, or its messages go to a callback.")
    }
  }

  private func resume() {
    client.core.loop.post { [driver] in driver.resumeReading() }
  }

  /// A descriptor to wait on in a loop of the caller's own: readable while there is a message, or an end
  /// that was not read. Only poll it; it closes with the object.
  public var descriptor: Int32 {
    get throws(ResponsesError) {
      try checkProcess()
      return try core.descriptor()
    }
  }

  // MARK: Closing

  /// How long the peer has to answer where the caller does not wait for it.
  private static let patience = Duration.seconds(5)

  /// Begins the closing handshake (RFC 6455 §7.1.2) and waits until the peer has answered or `timeout` has
  /// passed; the connection is then dropped. What was sent before goes out first; what the peer sends after
  /// is discarded. With a `timeout` of zero it does not wait, and the peer gets 5 seconds. A connection that
  /// is not open yet is given up, unless something waits to be sent. A second call only sets another limit.
  /// - Returns: false if the peer did not answer (in time).
  @discardableResult
  public func close(
    code: UInt16 = 1000, reason: String = "", timeout: Duration = .seconds(5)
  ) throws(ResponsesError) -> Bool {
    if timeout != .zero { try client.core.checkMayWait() }
    try beginClosing(code: code, reason: reason, timeout: timeout)
    // The loop drops the connection when the time is over.
    _ = try wait(.end, timeout == .zero ? .zero : timeout + ClientCore.loopPatience)
    return isAnswered
  }

  package func beginClosing(code: UInt16, reason: String, timeout: Duration) throws(ResponsesError) {
    try checkProcess()
    guard CloseCode(rawValue: code).isAllowedOnWire else {
      throw ResponsesError(
        .invalidArgument,
        "\(code) is no close code to send: 1000 to 1003, 1007 to 1014 or 3000 to 4999 "
          + "(RFC 6455 section 7.4).")
    }
    guard reason.utf8.count <= 123 else {
      throw ResponsesError(
        .invalidArgument, "A close reason has at most 123 bytes (RFC 6455 section 5.5).")
    }
    _ = core.beginClosing()
    let nanoseconds = (timeout == .zero ? Self.patience : timeout).nanoseconds
    client.core.loop.post { [driver] in
      driver.close(code: code, reason: reason, timeout: nanoseconds)
    }
  }

  /// The connection has ended, and not for want of an answer to our Close frame.
  package var isAnswered: Bool { core.ending.map { !$0.isUnanswered } ?? false }

  // MARK: What is known

  public enum State: Int32, Sendable {
    case connecting = 0
    case open = 1
    case closing = 2
    case ended = 3
  }

  public var state: State { core.state }
  /// The server's answer to the upgrade request, also a refusal; nil before.
  public var handshake: Handshake? { core.handshake }
  /// What the peer's Close frame said; nil while the connection lasts.
  public var peerClose: Close? { core.ending?.close }
  /// Why the connection could not be made or failed; nil while it lasts and after a good end.
  public var error: ResponsesError? { core.ending?.error }
  /// Of the latest ping that was answered.
  public var roundTripTime: Duration? { core.roundTrip.map { .nanoseconds($0) } }
  /// Bytes sent that the kernel has not taken yet, frame headers included.
  public var queuedBytes: Int { core.queuedForSending }

  // MARK: Waiting

  package func checkProcess() throws(ResponsesError) {
    if client.core.isForkedChild {
      throw ResponsesError(.forked, "The connection belongs to the parent process.")
    }
  }

  private func deadline(_ timeout: Duration?) -> Int64? {
    timeout.map { MonotonicClock.deadline(after: $0.nanoseconds) }
  }

  private func wait(
    _ awaited: WebSocketCore.Awaited, _ timeout: Duration?
  ) throws(ResponsesError) -> Bool {
    try checkProcess()
    if core.wait(awaited, until: 0) { return true }
    guard timeout != .zero else { return false }
    try client.core.checkMayWait()
    return core.wait(awaited, until: deadline(timeout))
  }
}

extension Client {
  /// Opens a raw connection: begins to connect and returns at once.
  public func socket(_ options: WebSocket.Options = .init()) throws(ResponsesError) -> WebSocket {
    try WebSocket(self, options)
  }

  /// Opens a raw connection whose messages go to `onMessage`, on the client's I/O thread, which it must not
  /// block; nil is the end. No call begins once the connection was dropped.
  public func socket(
    _ options: WebSocket.Options = .init(),
    onMessage: @escaping @Sendable (WebSocket, WebSocket.Message?) -> Void
  ) throws(ResponsesError) -> WebSocket {
    let held = WeakSocket()
    let prepared = try WebSocket.prepare(self, options) { message in
      if let socket = held.socket { onMessage(socket, message) }
    }
    let socket = WebSocket(prepared)
    held.socket = socket
    try prepared.launch()
    return socket
  }
}

/// A strong reference would keep the connection for ever. Set before the launch, read on the loop.
private final class WeakSocket: @unchecked Sendable {
  weak var socket: WebSocket?
}
