import RWSNetwork

/// The shell of one session: carries out what its machine decides. Confined to the client's loop,
/// but for the constants; that rule is why it is `@unchecked Sendable`.
final class SessionCore: @unchecked Sendable {
  let client: ClientCore
  let settings: Settings
  private let machine: SessionMachine
  private var channel: WebSocketChannel?
  private var connection: ConnectionID?
  private var connectionStart: Int64 = 0
  private var turns: [TurnID: TurnCore] = [:]
  private var connectWaiters: [@Sendable (ResponsesError?) -> Void] = []
  private var timer: (id: TimerID, due: Instant)?
  private var isPerforming = false

  init(client: ClientCore, settings: Settings) {
    self.client = client
    self.settings = settings
    machine = SessionMachine(settings: settings)
  }

  private var now: Instant { Instant(nanoseconds: client.loop.refreshNow()) }

  // MARK: Commands, on the loop

  func start(_ request: TurnRequest, _ turn: TurnCore, requestedAt: Instant) {
    turns[request.id] = turn
    machine.start(request, now: requestedAt)
    perform()
  }

  func cancel(_ id: TurnID) {
    machine.cancel(id, now: now)
    perform()
  }

  func connect(_ done: @escaping @Sendable (ResponsesError?) -> Void) {
    connectWaiters.append(done)
    machine.connect(now: now)
    perform()
  }

  func close() {
    machine.close(now: now)
    perform()
  }

  /// The caller has read enough of the turn's queue.
  func resume(_ id: TurnID) {
    machine.setPaused(false, id, now: now)
    applyPause()
    perform()
  }

  var responseID: String { machine.responseID }

  func fullBody(_ input: TurnInput) -> [UInt8] { machine.fullBody(input: input) }

  // MARK: Actions

  /// Carries out actions until there are none: one may bring about others (a message flushed at once).
  private func perform() {
    guard !isPerforming else { return }
    isPerforming = true
    while true {
      let actions = machine.takeActions()
      if actions.isEmpty { break }
      for action in actions { perform(action) }
    }
    isPerforming = false
    channel?.isInUse = !turns.isEmpty
    armTimer()
  }

  private func perform(_ action: Action) {
    switch action {
    case .connect(let id):
      connection = id
      connectionStart = client.loop.now
      channel = client.makeChannel(delegate: self)
    case .send(let id, let body, let turn):
      guard id == connection, let channel else { return }
      client.log(.debug, "turn \(turn.value): sending \(body.count) bytes")
      guard !channel.send(text: body, tag: turn.value), channel.isOpen else { return }
      // Refused by the bound on queued bytes; nothing of it was sent.
      self.channel = nil
      connection = nil
      client.bury(channel)
      machine.closed(
        id, ResponsesError(.messageTooLarge, "The request is too large to be queued for sending."),
        now: now)
    case .close(let id):
      guard id == connection, let channel else { return }
      self.channel = nil
      connection = nil
      client.bury(channel)
    case .deliver(let id, let batch, let stats):
      guard turns[id]?.deliver(batch, stats) == .isFull else { return }
      machine.setPaused(true, id, now: now)
      applyPause()
    case .end(let id, let end):
      client.log(.debug, "turn \(id.value): \(end.outcome) after \((end.stats.end ?? 0) / 1000) us")
      var end = end
      end.error = end.error.map(client.presentable)
      turns.removeValue(forKey: id)?.end(end)
      applyPause()
    case .connectEnded(let error):
      let waiters = connectWaiters
      connectWaiters = []
      for done in waiters { done(error.map(client.presentable)) }
    }
  }

  private func applyPause() {
    if machine.isPaused { channel?.pauseReading() } else { channel?.resumeReading() }
  }

  /// The timer is left alone while it fires early enough: it is armed anew then, not at every event.
  private func armTimer() {
    guard let due = machine.nextDeadline else {
      timer.map { client.loop.cancel($0.id) }
      timer = nil
      return
    }
    if let timer, timer.due <= due { return }
    timer.map { client.loop.cancel($0.id) }
    // Strong: closing ends all turns, and without turns there is no timer.
    let id = client.loop.schedule(at: due.nanoseconds) { [self] in
      timer = nil
      machine.timeout(now: now)
      perform()
    }
    timer = (id, due)
  }
}

extension SessionCore: WebSocketChannelDelegate {
  func channelOpened(_ channel: WebSocketChannel, _ info: HandshakeInfo) {
    guard channel === self.channel, let connection else { return }
    let milliseconds = (client.loop.refreshNow() - connectionStart) / 1_000_000
    client.log(
      .info,
      "connected to \(info.peerAddress) (\(info.tlsVersion ?? "plain")) in \(milliseconds) ms")
    machine.opened(connection, now: now)
    perform()
  }

  func channel(_ channel: WebSocketChannel, receivedText text: UnsafeRawBufferPointer) {
    guard channel === self.channel, let connection else { return }
    machine.receive(connection, text: text, now: Instant(nanoseconds: client.loop.now))
    if machine.hasActions { perform() }
  }

  func channel(_ channel: WebSocketChannel, receivedBinary bytes: UnsafeRawBufferPointer) {
    // The protocol has text messages only; a binary one is no event.
    self.channel(channel, receivedText: UnsafeRawBufferPointer(start: nil, count: 0))
  }

  func channelFinishedRead(_ channel: WebSocketChannel) {
    guard channel === self.channel else { return }
    machine.finishedRead(now: Instant(nanoseconds: client.loop.now))
    perform()
  }

  func channel(_ channel: WebSocketChannel, flushed tag: UInt64) {
    guard channel === self.channel else { return }
    machine.flushed(TurnID(tag), now: now)
    perform()
  }

  func channelClosed(_ channel: WebSocketChannel, _ failure: NetworkFailure) {
    guard channel === self.channel, let connection else { return }
    self.channel = nil
    self.connection = nil
    client.log(.info, "connection ended: \(failure.message)")
    machine.closed(connection, client.presentable(failure), now: now)
    perform()
  }
}
