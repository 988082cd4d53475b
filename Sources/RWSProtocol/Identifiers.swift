/// Names that the shell gives; unique within a client.
package struct TurnID: Hashable, Sendable {
  package let value: UInt64
  package init(_ value: UInt64) { self.value = value }
}

package struct SteerID: Hashable, Sendable {
  package let value: UInt64
  package init(_ value: UInt64) { self.value = value }
}

package struct SessionID: Hashable, Sendable {
  package let value: UInt64
  package init(_ value: UInt64) { self.value = value }
}

/// A request beside the turns.
package struct ErrandID: Hashable, Sendable {
  package let value: UInt64
  package init(_ value: UInt64) { self.value = value }

  /// The machine's own: apart from those of the shell, which count up.
  init(lookup turn: TurnID) { value = turn.value | 1 << 62 }
}

/// Stands for everything that sessions must have in common to share a connection: endpoint, credentials,
/// organisation, project, headers, proxy and TLS settings. The shell gives equal ones the same id.
package struct RouteID: Hashable, Sendable {
  package let value: UInt64
  package init(_ value: UInt64) { self.value = value }
}

/// A connection attempt and what becomes of it; counts up within a client.
package struct ConnectionID: Hashable, Sendable {
  package let value: UInt64
  package init(_ value: UInt64) { self.value = value }
}

/// A point on the monotonic clock of whoever drives the machine.
package struct Instant: Comparable, Hashable, Sendable {
  package let nanoseconds: Int64
  package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// Saturates: a limit beyond the clock's end is no limit.
  package func advanced(byNanoseconds delta: Int64) -> Instant {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(delta)
    return Instant(nanoseconds: overflow ? .max : sum)
  }

  package func nanoseconds(since earlier: Instant) -> Int64 {
    let (difference, overflow) = nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
    return overflow ? .max : difference
  }

  package static func < (left: Instant, right: Instant) -> Bool {
    left.nanoseconds < right.nanoseconds
  }
}
