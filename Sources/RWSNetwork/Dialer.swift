import CLinux
import Glibc

/// Makes one TCP connection to a host: looks both address families up and does what `HappyEyeballs` says. The
/// first connection wins, the others are closed.
final class Dialer {
  enum Outcome {
    /// The descriptor is the receiver's to close.
    case connected(Int32, SocketAddress)
    /// The text of the resolver.
    case unresolved(String)
    /// The errno of the address whose failure says most.
    case failed(Int32, SocketAddress?)
  }

  enum Target {
    case name(String, UInt16)
    case addresses([SocketAddress])
  }

  private let loop: EventLoop
  private let target: Target
  private var machine: HappyEyeballs<SocketAddress>
  private var lookups: [Resolver.Lookup] = []
  private var back: LoopConfined<Dialer>?
  private var attempts: [Attempt] = []
  private let lookupDeadline: Int64
  private var lookupTimer: TimerID?
  private var timer: TimerID?
  private var began: (() -> Void)?
  private var completion: ((Outcome) -> Void)?
  private var unresolved: Resolver.Failure?
  private var failure: (code: Int32, address: SocketAddress?)?

  /// `began` is called when the first address is dialled; what has not been looked up by `lookupDeadline` is
  /// not waited for then. (While there is no address at all, the owner's own limit rules.) `completion` is called once, from the loop and
  /// possibly inside `start`, unless `cancel` came before.
  init(
    _ target: Target, _ options: HappyEyeballs<SocketAddress>.Options, lookupDeadline: Int64,
    on loop: EventLoop, began: @escaping () -> Void = {},
    completion: @escaping (Outcome) -> Void
  ) {
    self.target = target
    self.lookupDeadline = lookupDeadline
    self.loop = loop
    machine = HappyEyeballs(options) { $0.rank > $1.rank }
    self.began = began
    self.completion = completion
  }

  func start() {
    switch target {
    case .addresses(let addresses):
      machine.resolved(.v6, addresses.filter { $0.family == AF_INET6 }, now: loop.now)
      machine.resolved(.v4, addresses.filter { $0.family != AF_INET6 }, now: loop.now)
    case .name(let host, let port):
      let back = LoopConfined(self)
      self.back = back
      lookups = [
        Resolver.resolve(host, port, .v6, on: loop) { back.value?.resolved(.v6, $0) },
        Resolver.resolve(host, port, .v4, on: loop) { back.value?.resolved(.v4, $0) },
      ]
    }
    advance()
  }

  func cancel() {
    completion = nil
    leave()
  }

  func closeInForkedChild() {
    for attempt in attempts { Glibc.close(attempt.descriptor) }
  }

  private func resolved(
    _ family: HappyEyeballs<SocketAddress>.Family, _ outcome: Resolver.Outcome
  ) {
    switch outcome {
    case .addresses(let addresses): machine.resolved(family, addresses, now: loop.refreshNow())
    case .failure(let failure):
      // That a name has no address of one family says less than why the other look-up failed.
      if unresolved == nil || unresolved?.isAbsence == true { unresolved = failure }
      machine.resolved(family, [], now: loop.refreshNow())
    }
    advance()
  }

  private func advance() {
    if let timer { loop.cancel(timer) }
    timer = nil
    while completion != nil {
      switch machine.next(now: loop.now) {
      case .dial(let address, let attempt): dial(address, attempt)
      case .abandon(let attempt):
        guard let abandoned = take(attempt) else { break }
        abandoned.close()
        note(ETIMEDOUT, abandoned.address)
      case .wait(let time):
        if let time { timer = loop.schedule(at: time) { self.advance() } }
        return
      case .exhausted: return finish(exhausted)
      }
    }
  }

  private var exhausted: Outcome {
    if let failure { return .failed(failure.code, failure.address) }
    return .unresolved(unresolved?.text ?? "no address")
  }

  private func dial(_ address: SocketAddress, _ number: Int) {
    begin()
    let descriptor = Socket.make(family: address.family)
    guard descriptor >= 0 else { return failed(number, errno, address) }
    Socket.setNoDelay(descriptor)
    if address.withSockaddr({ connect(descriptor, $0, address.length) }) == 0 {
      return finish(.connected(descriptor, address))
    }
    // After EINTR the attempt goes on, as after EINPROGRESS.
    let code = errno
    guard code == EINPROGRESS || code == EINTR else {
      Glibc.close(descriptor)
      return failed(number, code, address)
    }
    let attempt = Attempt(number, descriptor, address, on: loop) { self.answered(number) }
    guard attempt.start() else {
      Glibc.close(descriptor)
      return failed(number, ENOMEM, address)
    }
    attempts.append(attempt)
  }

  private func take(_ number: Int) -> Attempt? {
    attempts.firstIndex { $0.number == number }.map { attempts.remove(at: $0) }
  }

  private func begin() {
    guard let began else { return }
    self.began = nil
    if machine.awaitsAddresses {
      lookupTimer = loop.schedule(at: lookupDeadline) { self.stopResolving() }
    }
    began()
  }

  private func stopResolving() {
    machine.resolved(.v6, [], now: loop.now)
    machine.resolved(.v4, [], now: loop.now)
    advance()
  }

  private func answered(_ number: Int) {
    guard let attempt = take(number) else { return }
    let code = Socket.pendingError(attempt.descriptor)
    guard code != 0 else {
      attempt.stop()
      return finish(.connected(attempt.descriptor, attempt.address))
    }
    attempt.close()
    failed(number, code, attempt.address)
    advance()
  }

  private func failed(_ number: Int, _ code: Int32, _ address: SocketAddress) {
    note(code, address)
    machine.failed(attempt: number, now: loop.now)
  }

  /// A refusal, or silence, says more to the user than that this machine has no way to the next address (of
  /// the other family, mostly).
  private func note(_ code: Int32, _ address: SocketAddress) {
    switch code {
    case ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, EAFNOSUPPORT:
      if failure == nil { failure = (code, address) }
    default: failure = (code, address)
    }
  }

  private func finish(_ outcome: Outcome) {
    let completion = self.completion
    self.completion = nil
    leave()
    completion?(outcome)
  }

  private func leave() {
    if let timer { loop.cancel(timer) }
    timer = nil
    if let lookupTimer { loop.cancel(lookupTimer) }
    lookupTimer = nil
    began = nil
    for lookup in lookups { lookup.cancel() }
    lookups = []
    back?.value = nil
    for attempt in attempts { attempt.close() }
    attempts = []
  }
}

/// A `connect` under way.
private final class Attempt: DescriptorHandler {
  let number: Int
  let descriptor: Int32
  let address: SocketAddress
  private let loop: EventLoop
  private var registration: Registration?
  private var answered: (() -> Void)?

  init(
    _ number: Int, _ descriptor: Int32, _ address: SocketAddress, on loop: EventLoop,
    answered: @escaping () -> Void
  ) {
    self.number = number
    self.descriptor = descriptor
    self.address = address
    self.loop = loop
    self.answered = answered
  }

  func start() -> Bool {
    registration = try? loop.add(descriptor, interest: EPOLLOUT.rawValue, handler: self)
    return registration != nil
  }

  func ready(_ events: UInt32) { answered?() }

  /// The descriptor stays open.
  func stop() {
    if let registration { loop.remove(registration) }
    registration = nil
    answered = nil
  }

  func close() {
    stop()
    Socket.close(descriptor)
  }
}

/// Carries a reference that belongs to a loop through a `@Sendable` closure that runs on it. The loop's side
/// empties it, so that a resolver's thread, which may free the box, never frees the value.
final class LoopConfined<Value: AnyObject>: @unchecked Sendable {
  var value: Value?

  init(_ value: Value) { self.value = value }
}

extension SocketAddress {
  fileprivate var rank: DestinationRank {
    DestinationRank(destination: mappedBytes, source: source?.mappedBytes)
  }

  /// Where the system would send from, to here: a UDP socket knows without sending anything. nil: no way there.
  private var source: SocketAddress? {
    let type = Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = socket(family, type, 0)
    guard descriptor >= 0 else { return nil }
    defer { Glibc.close(descriptor) }
    guard withSockaddr({ connect(descriptor, $0, length) }) == 0 else { return nil }
    return SocketAddress { getsockname(descriptor, $0, $1) }
  }
}
