import RWSNetwork

/// A value that several threads change, and that a test waits for.
final class Holder<Value: Sendable>: @unchecked Sendable {
  private let lock = Lock()
  private let changed = Condition()
  private var held: Value

  init(_ value: Value) { held = value }

  var value: Value { lock.withLock { held } }

  @discardableResult
  func change<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
    lock.withLock {
      defer { changed.broadcast() }
      return body(&held)
    }
  }

  /// False if `condition` does not hold within a bound that is far beyond what a slow machine needs.
  func wait(until condition: (Value) -> Bool) -> Bool {
    let deadline = MonotonicClock.deadline(after: 20_000_000_000)
    return lock.withLock {
      while !condition(held) {
        guard changed.wait(lock, until: deadline) else { return condition(held) }
      }
      return true
    }
  }
}

extension Holder {
  /// What callbacks on other threads saw, in order.
  func note<Element>(_ element: Element) where Value == [Element] {
    change { $0.append(element) }
  }

  func wait<Element>(for count: Int) -> Bool where Value == [Element] {
    wait { $0.count >= count }
  }
}
