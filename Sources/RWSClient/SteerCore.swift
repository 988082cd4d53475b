import RWSNetwork
import RWSProtocol

/// The two ends of a steer: the I/O thread tells its state, anybody waits for it. Everything mutable is under
/// the lock, which is why it is `@unchecked Sendable`.
final class SteerCore: @unchecked Sendable {
  let id: SteerID
  private let lock = Lock()
  private let changed = Condition()
  /// Until it is settled: the turn holds its steers.
  private var openTurn: TurnCore?
  private var current = RWSProtocol.Steer.State.queued

  init(_ id: SteerID, of turn: TurnCore) {
    self.id = id
    openTurn = turn
  }

  var state: RWSProtocol.Steer.State { lock.withLock { current } }

  /// nil: it is settled.
  var turn: TurnCore? { lock.withLock { openTurn } }

  func change(to state: RWSProtocol.Steer.State) {
    let turn = lock.withLock {
      current = state
      changed.broadcast()
      defer { if state.isSettled { openTurn = nil } }
      return openTurn
    }
    turn?.noteSteered()
  }

  /// - Returns: false if it is not settled, nor pending, at the deadline.
  func wait(until deadline: Int64?) -> Bool {
    lock.withLock {
      while !current.isSettled, current != .pending {
        guard changed.wait(lock, until: deadline) else { return current.isSettled }
      }
      return true
    }
  }
}
