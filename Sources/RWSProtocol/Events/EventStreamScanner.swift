/// `EventScanner` for the events of one connection: remembers the shape of the last delta, because the next
/// one mostly has the same (`EventShape`). What it says is what `EventScanner` says.
package struct EventStreamScanner {
  private var shape: EventShape?
  /// Rises with each delta that is of another shape and falls with each that is not. Where streams
  /// alternate, learning each shape anew would cost more than it brings.
  private var disappointment = 0
  private var scansSinceLearning = 0

  private static let patience = 4
  private static let scansToHope = 64

  package init() {}

  package mutating func scan(_ text: UnsafeRawBufferPointer) throws(EventError) -> ScannedEvent {
    if let event = shape?.scan(text) {
      if disappointment > 0 { disappointment &-= 1 }
      return event
    }
    let event = try EventScanner.scan(text)
    learn(text, event)
    return event
  }

  private mutating func learn(_ text: UnsafeRawBufferPointer, _ event: ScannedEvent) {
    guard EventShape.isWorthKeeping(event) else {
      // An idle session keeps nothing.
      if event.kind.isTerminal || event.kind == .error { self = EventStreamScanner() }
      return
    }
    scansSinceLearning &+= 1
    if disappointment <= Self.patience { disappointment &+= 1 }
    guard disappointment <= Self.patience || scansSinceLearning > Self.scansToHope else { return }
    scansSinceLearning = 0
    shape = EventShape(text, event)
  }
}
