/// Connections whose exchange is over and that wait for another one (RFC 9112 §9.3), confined to the loop. They are
/// read meanwhile: one that its server ends is closed at once, and so is one on which anything comes unasked.
///
/// A connection waits 30 s: that spans a tool's run, and most servers and middleboxes bear more (50 s and up), so that
/// a request and their close do not pass each other on the way. A server that says how long it waits is believed,
/// less a second for the way.
package final class IdleConnections {
  package static let countMax = 64

  private static let idleMax: Int64 = 30_000_000_000
  package static let second: Int64 = 1_000_000_000

  let restPatience: Int64
  private let loop: EventLoop
  private let idleMax: Int64
  private let standstillMax: Int64
  private var queue = IdleQueue<IdleConnection>(countMax: countMax)
  private var timer: (id: TimerID, due: Int64)?
  private var lastReading: ClockReading
  private var isClosed = false
  /// Exchanges whose owners have what they wanted, with connections that are about to be free.
  private var releasing: [ObjectIdentifier: ClientExchange] = [:]
  /// Exchanges that wait for one of those.
  private var waiting: [ClientExchange] = []
  /// Where the last connection that was waited for did not become free in time.
  private var lateKeys: Set<ConnectionKey> = []

  /// - Parameter liveness: Of it, the limits on idleness and standstill hold here.
  /// - Parameter restPatience: How long an answer that its owner has let go of may take to end, in nanoseconds.
  package init(
    _ liveness: LivenessLimits = LivenessLimits(), restPatience: Int64 = second, on loop: EventLoop
  ) {
    self.loop = loop
    self.restPatience = restPatience
    idleMax = min(Self.idleMax, liveness.idle)
    standstillMax = liveness.standstill
    lastReading = loop.clocks
  }

  /// How many there are.
  var count: Int { queue.count }

  /// Closes them all, and ends what was to become one; none is taken from now on.
  package func close() {
    isClosed = true
    for exchange in releasing.values { exchange.abort() }
    for connection in queue.takeAll() { connection.close() }
    armTimer()
  }

  // MARK: Free ones

  func take(for key: ConnectionKey) -> IdleConnection? {
    checkStandstill()
    defer { armTimer() }
    return queue.take(for: key, now: loop.now)
  }

  /// - Parameter seconds: How long the server says that it waits.
  func add(_ stream: ByteStream, _ info: StreamInfo, for key: ConnectionKey, seconds: Int?) {
    checkStandstill()
    let patience = seconds.map { min(idleMax, (Int64(clamping: min($0, 3600)) - 1) * Self.second) } ?? idleMax
    let connection = IdleConnection(stream, info, in: self)
    guard !isClosed, patience > 0, stream.isQuiet else { return connection.close() }
    lateKeys.remove(key)
    queue.add(connection, for: key, until: loop.now &+ patience)?.close()
    armTimer()
    wake(key)
  }

  /// One of them had ended unnoticed: the others may have, too.
  func distrust(_ key: ConnectionKey) {
    for connection in queue.takeAll(for: key) { connection.close() }
    armTimer()
  }

  fileprivate func drop(_ connection: IdleConnection) {
    queue.remove { $0 === connection }
    connection.close()
    armTimer()
  }

  /// Whatever the machine slept through, a server or a middlebox may have ended meanwhile.
  private func checkStandstill() {
    let reading = loop.clocks
    defer { lastReading = reading }
    guard reading.standstill(since: lastReading) >= standstillMax else { return }
    for connection in queue.takeAll() { connection.close() }
  }

  private func armTimer() {
    let due = queue.due
    guard due != timer?.due else { return }
    if let timer { loop.cancel(timer.id) }
    timer = due.map { due in
      (
        loop.schedule(at: due) { [self] in
          timer = nil
          for connection in queue.takeOverdue(now: loop.now) { connection.close() }
          armTimer()
        }, due
      )
    }
  }

  // MARK: Those about to be free

  func noteReleasing(_ exchange: ClientExchange) { releasing[ObjectIdentifier(exchange)] = exchange }

  /// True: `exchange` hears by `begin` when that is decided.
  func mayWait(_ exchange: ClientExchange) -> Bool {
    let key = exchange.key
    let expected = releasing.values.count { $0.key == key }
    guard !lateKeys.contains(key), expected > waiting.count(where: { $0.key == key }) else { return false }
    waiting.append(exchange)
    return true
  }

  /// It did not become free in time: whoever comes next does not wait for such a thing.
  func noteLate(_ exchange: ClientExchange) {
    if lateKeys.count >= Self.countMax { lateKeys = [] }
    lateKeys.insert(exchange.key)
  }

  /// The exchange is over, and its connection closed or added.
  func forget(_ exchange: ClientExchange) {
    waiting.removeAll { $0 === exchange }
    guard releasing.removeValue(forKey: ObjectIdentifier(exchange)) != nil else { return }
    wake(exchange.key)
  }

  private func wake(_ key: ConnectionKey) {
    for exchange in waiting where exchange.key == key { loop.schedule(at: 0) { exchange.begin() } }
    waiting.removeAll { $0.key == key }
  }
}

/// One of them.
final class IdleConnection: ByteStreamOwner {
  let stream: ByteStream
  let info: StreamInfo
  private let connections: IdleConnections

  init(_ stream: ByteStream, _ info: StreamInfo, in connections: IdleConnections) {
    self.stream = stream
    self.info = info
    self.connections = connections
    stream.transfer(to: self)
    stream.setReading(true)
  }

  func close() { stream.close() }

  func streamSecured() {}
  func streamWritable() {}
  func streamReadable() { if !stream.isQuiet { connections.drop(self) } }
  func streamFailed(_ failure: StreamFailure) { connections.drop(self) }
}
