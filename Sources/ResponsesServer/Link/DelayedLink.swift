import Glibc
import RWSNetwork

/// Carries one connection between the client's socket and one end of a pair whose other end is served: byte by
/// byte, later than it came. So handshakes, frames and HTTP pay alike, and nothing of the server knows.
final class DelayedLink {
  /// A sender of more has to wait, as behind a full socket.
  private static let queueBytesMax = 4 << 20
  /// How long a client has for its own end after the server's has reached it.
  private static let partingNanoseconds: Int64 = 2_000_000_000

  enum Report {
    case exchange(Exchange)
    case end(bytesUp: Int, bytesDown: Int)
  }

  private let timer: PreciseTimer
  private let client: LinkEnd
  private let server: LinkEnd
  private let report: (Report) -> Void
  private var exchange = Exchange()
  private var isOver = false
  /// Set when the server has closed its side, and the client knows.
  private var endsAt: Int64?

  /// Returns the descriptor to serve.
  static func put(
    before accepted: Int32, _ conditions: LinkConditions, on loop: EventLoop,
    report: @escaping (Report) -> Void
  ) throws(NetworkFailure) -> Int32 {
    var pair: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &pair) == 0 else {
      throw NetworkFailure(.resources, "A pair of sockets could not be made.")
    }
    do throws(NetworkFailure) {
      let link = try DelayedLink(accepted, pair[0], conditions, on: loop, report)
      try link.start()
    } catch {
      close(pair[0])
      close(pair[1])
      throw error
    }
    return pair[1]
  }

  private init(
    _ accepted: Int32, _ inner: Int32, _ conditions: LinkConditions, on loop: EventLoop,
    _ report: @escaping (Report) -> Void
  ) throws(NetworkFailure) {
    self.report = report
    timer = try PreciseTimer(on: loop)
    let opening =
      Int64(max(0, conditions.handshakeRoundTrips)) &* conditions.roundTripNanoseconds
    client = LinkEnd(
      accepted, DelayLine(conditions, opensAt: MonotonicClock.now() &+ opening), on: loop)
    server = LinkEnd(inner, DelayLine(conditions, opensAt: 0), on: loop)
  }

  /// The loop keeps the link, through its ends, until it is over.
  private func start() throws(NetworkFailure) {
    client.onReady = { [self] in carry() }
    server.onReady = { [self] in carry() }
    do throws(NetworkFailure) {
      try client.watch()
      try server.watch()
      try timer.start { [self] in carry() }
    } catch {
      for end in [client, server] { end.forget() }
      throw error
    }
  }

  private func carry() {
    guard !isOver else { return }
    let now = MonotonicClock.now()
    if let endsAt {
      if client.discard() || now >= endsAt { end() }
      return
    }
    let isWhole =
      client.carry(to: server, now, queueMax: Self.queueBytesMax)
      && server.carry(to: client, now, queueMax: Self.queueBytesMax)
    note()
    guard isWhole, !(client.hasPassedEnd && server.hasPassedEnd) else { return end() }
    guard !server.hasPassedEnd else { return awaitClientEnd(now) }
    timer.arm(at: [client.nextDue, server.nextDue].compactMap { $0 }.min())
  }

  private func note() {
    let ended = exchange.note(
      received: client.receivedBytes, at: client.receivedAt, sent: client.sentBytes, at: client.sentAt)
    if let ended { report(.exchange(ended)) }
  }

  /// Closed with bytes of the client unread, the socket would be reset, and what it has not read yet be lost. The
  /// server's end is watched no more: a socket whose peer is gone is always ready.
  private func awaitClientEnd(_ now: Int64) {
    server.forget()
    let deadline = now &+ Self.partingNanoseconds
    endsAt = deadline
    timer.arm(at: deadline)
    if client.discard() { end() }
  }

  private func end() {
    isOver = true
    timer.cancel()
    client.end()
    server.end()
    if exchange.isBegun { report(.exchange(exchange)) }
    report(.end(bytesUp: client.receivedBytes, bytesDown: server.receivedBytes))
  }
}

/// One of a link's two sockets, and the line for what is read from it.
private final class LinkEnd: DescriptorHandler {
  var onReady: () -> Void = {}

  private let descriptor: Int32
  private let loop: EventLoop
  private var registration: Registration?
  private var line: DelayLine
  /// Was due and could not be written yet: of the other end's line.
  private var unsent: ArraySlice<UInt8> = []
  private(set) var receivedBytes = 0
  /// When the last of them had been read here: not before its sender had written it.
  private(set) var receivedAt: Int64 = 0
  private(set) var sentBytes = 0
  /// When the last of them was about to be written here: not after its receiver could have it.
  private(set) var sentAt: Int64 = 0
  private var hasReadEnd = false
  /// The other end was told that nothing more comes from here.
  private(set) var hasPassedEnd = false
  private var interest = UInt32(POLLIN)
  private var buffer = [UInt8](repeating: 0, count: 65_536)

  init(_ descriptor: Int32, _ line: DelayLine, on loop: EventLoop) {
    self.descriptor = descriptor
    self.line = line
    self.loop = loop
  }

  func watch() throws(NetworkFailure) {
    registration = try loop.add(descriptor, interest: interest, handler: self)
  }

  func ready(_ events: UInt32) { onReady() }

  var nextDue: Int64? { line.nextDue }

  /// Reads what has come, and gives `other` what is due. False: the connection is broken.
  func carry(to other: LinkEnd, _ now: Int64, queueMax: Int) -> Bool {
    guard read(now, queueMax: queueMax) else { return false }
    while other.unsent.isEmpty, let bytes = line.takeDue(now) {
      other.unsent = bytes[...]
      guard other.flush() else { return false }
    }
    guard other.flush() else { return false }
    if hasReadEnd, line.nextDue == nil, other.unsent.isEmpty, !hasPassedEnd {
      hasPassedEnd = true
      shutdown(other.descriptor, Int32(SHUT_WR))
    }
    setInterest(queueMax: queueMax)
    other.setInterest(queueMax: queueMax)
    return true
  }

  private func read(_ now: Int64, queueMax: Int) -> Bool {
    while !hasReadEnd, line.queuedBytes < queueMax {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count > 0 {
        receivedBytes += count
        receivedAt = MonotonicClock.now()
        line.put(Array(buffer[..<count]), now: now)
      } else if count == 0 {
        hasReadEnd = true
      } else if errno != EINTR {
        return errno == EAGAIN
      }
    }
    return true
  }

  /// Reads what nobody will get. True: there will be no more.
  func discard() -> Bool {
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN) { return true }
      if count < 0, errno == EAGAIN { break }
    }
    setInterest(queueMax: .max)
    return false
  }

  private func flush() -> Bool {
    while !unsent.isEmpty {
      let now = MonotonicClock.now()
      let sent = unsent.withUnsafeBytes {
        send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if sent < 0 { return errno == EAGAIN || errno == EINTR }
      sentBytes += sent
      sentAt = now
      unsent = unsent.dropFirst(sent)
    }
    return true
  }

  private func setInterest(queueMax: Int) {
    // POLLIN and POLLOUT have the values of EPOLLIN and EPOLLOUT.
    var wanted: UInt32 = 0
    if !hasReadEnd, line.queuedBytes < queueMax { wanted |= UInt32(POLLIN) }
    if !unsent.isEmpty { wanted |= UInt32(POLLOUT) }
    guard wanted != interest, let registration else { return }
    interest = wanted
    loop.modify(registration, interest: wanted)
  }

  /// The descriptor is somebody else's again.
  func forget() {
    onReady = {}
    if let registration { loop.remove(registration) }
    registration = nil
  }

  func end() {
    forget()
    close(descriptor)
  }
}
