/// Time limits of one turn, in nanoseconds; nil: no limit. Expiry of any of them is a cancel.
package struct TurnLimits: Sendable, Equatable {
  /// From the request handed to the kernel to its first event.
  package var firstEvent: Int64?
  /// Between two events.
  package var eventGap: Int64?
  /// From start to end, connecting and queueing included.
  package var total: Int64?

  package init(firstEvent: Int64? = nil, eventGap: Int64? = nil, total: Int64? = nil) {
    self.firstEvent = firstEvent
    self.eventGap = eventGap
    self.total = total
  }
}
