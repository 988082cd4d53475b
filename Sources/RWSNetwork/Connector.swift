import CLinux
import Glibc

/// Makes one TCP connection out of a list of addresses, trying them in order. Each gets an equal share of the
/// time that is left, so that a dead first address does not use all of it. (Racing address families, RFC
/// 8305, belongs here.)
final class Connector: DescriptorHandler {
  enum Outcome {
    /// The descriptor is the receiver's to close.
    case connected(Int32, SocketAddress)
    /// The errno of the address whose failure says most.
    case failed(Int32, SocketAddress?)
  }

  private enum State {
    case idle
    case waiting(Int32, Registration, SocketAddress, TimerID)
    case ended
  }

  private let loop: EventLoop
  private let deadline: Int64
  private var remaining: ArraySlice<SocketAddress>
  private var state = State.idle
  private var completion: ((Outcome) -> Void)?
  private var failure: (code: Int32, address: SocketAddress?) = (EHOSTUNREACH, nil)

  /// `completion` is called once, from the loop and possibly inside `start`, unless `cancel` came before.
  init(
    to addresses: [SocketAddress], deadline: Int64, on loop: EventLoop,
    completion: @escaping (Outcome) -> Void
  ) {
    self.loop = loop
    self.deadline = deadline
    remaining = addresses[...]
    self.completion = completion
  }

  func start() {
    tryNext()
  }

  func cancel() {
    completion = nil
    abandonAttempt()
    state = .ended
  }

  func closeInForkedChild() {
    if case .waiting(let descriptor, _, _, _) = state { Glibc.close(descriptor) }
  }

  private func tryNext() {
    while let address = remaining.popFirst() {
      switch begin(address) {
      case .connected(let descriptor, let address): return finish(.connected(descriptor, address))
      case .failed(let code, let address): note(code, address)
      case nil: return
      }
    }
    finish(.failed(failure.code, failure.address))
  }

  /// nil: the attempt is under way.
  private func begin(_ address: SocketAddress) -> Outcome? {
    let descriptor = Socket.make(family: address.family)
    guard descriptor >= 0 else { return .failed(errno, address) }
    Socket.setNoDelay(descriptor)
    if address.withSockaddr({ connect(descriptor, $0, address.length) }) == 0 {
      return .connected(descriptor, address)
    }
    // After EINTR the attempt goes on, as after EINPROGRESS.
    let code = errno
    guard code == EINPROGRESS || code == EINTR else {
      Glibc.close(descriptor)
      return .failed(code, address)
    }
    do throws(NetworkFailure) {
      let registration = try loop.add(descriptor, interest: EPOLLOUT.rawValue, handler: self)
      let now = loop.now
      let share = max(0, deadline &- now) / Int64(remaining.count + 1)
      let timer = loop.schedule(at: now &+ share) { self.attemptTimedOut() }
      state = .waiting(descriptor, registration, address, timer)
      return nil
    } catch {
      Glibc.close(descriptor)
      return .failed(ENOMEM, address)
    }
  }

  func ready(_ events: UInt32) {
    guard case .waiting(let descriptor, let registration, let address, let timer) = state else {
      return
    }
    let code = Socket.pendingError(descriptor)
    guard code == 0 else {
      abandonAttempt()
      note(code, address)
      return tryNext()
    }
    loop.cancel(timer)
    loop.remove(registration)
    state = .idle
    finish(.connected(descriptor, address))
  }

  private func attemptTimedOut() {
    guard case .waiting(_, _, let address, _) = state else { return }
    // The last address has until the owner's own deadline, which then names the stage.
    guard !remaining.isEmpty else { return }
    abandonAttempt()
    note(ETIMEDOUT, address)
    tryNext()
  }

  /// A refusal, or silence, says more to the user than that this machine has no way to the next address (of
  /// the other family, mostly).
  private func note(_ code: Int32, _ address: SocketAddress?) {
    switch code {
    case ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, EAFNOSUPPORT:
      if failure.address == nil { failure = (code, address) }
    default: failure = (code, address)
    }
  }

  private func abandonAttempt() {
    guard case .waiting(let descriptor, let registration, _, let timer) = state else { return }
    loop.cancel(timer)
    loop.remove(registration)
    Socket.close(descriptor)
    state = .idle
  }

  private func finish(_ outcome: Outcome) {
    state = .ended
    let completion = self.completion
    self.completion = nil
    completion?(outcome)
  }
}
