/// The faults that a server is to show, and where. Each is taken as often as it says. Shared by the
/// connections of a server, on its one thread; `parse` reads the format of docs/local-server.md.
package final class FaultScript {
  /// What goes wrong at an event, or at the start of a turn.
  package enum Fault: Equatable, Sendable {
    case error(RequestError)
    /// The response ends here with `response.failed`; at event 0 without a `response.created`.
    case fail(ResponseFailure)
    /// The response ends here, incomplete, with the items that are whole.
    case incomplete(reason: String)
    case close(code: UInt16, reason: String)
    /// `bytes`: of the event's text, which are still sent.
    case cut(bytes: Int?, isReset: Bool)
    /// The event is left out.
    case drop
    /// `isInstead`: the event is left out.
    case send(FaultAction, isInstead: Bool)
  }

  package enum UpgradeFault: Equatable, Sendable {
    case refuse(RequestError)
    case wrongAcceptKey
    /// No answer at all.
    case silence
  }

  enum Place: Equatable, Sendable {
    case upgrade(UpgradeFault)
    case start(Fault)
    case event(Int, Fault)
    case type(String, Fault)
  }

  struct Entry: Equatable, Sendable {
    /// nil: any.
    var connection: Int?
    /// nil: any.
    var turn: Int?
    var place: Place
    /// How often it may still be taken; nil: always.
    var times: Int?
  }

  private(set) var entries: [Entry] = []

  package init() {}

  func add(_ new: [Entry]) { entries += new }

  package func clear() { entries = [] }

  package func atUpgrade(connection: Int) -> UpgradeFault? {
    take { entry in
      guard case .upgrade(let fault) = entry.place, entry.matches(connection) else { return nil }
      return fault
    }
  }

  func atStart(connection: Int, turn: Int) -> Fault? {
    take { entry in
      guard case .start(let fault) = entry.place, entry.matches(connection, turn) else {
        return nil
      }
      return fault
    }
  }

  func at(connection: Int, turn: Int, event: Int, type: String) -> Fault? {
    guard !entries.isEmpty else { return nil }
    return take { entry in
      guard entry.matches(connection, turn) else { return nil }
      switch entry.place {
      case .event(event, let fault), .type(type, let fault): return fault
      case .event, .type, .start, .upgrade: return nil
      }
    }
  }

  private func take<Found>(_ find: (Entry) -> Found?) -> Found? {
    for index in entries.indices {
      guard let found = find(entries[index]) else { continue }
      if let times = entries[index].times {
        if times <= 1 { entries.remove(at: index) } else { entries[index].times = times - 1 }
      }
      return found
    }
    return nil
  }
}

extension FaultScript.Entry {
  fileprivate func matches(_ number: Int, _ turn: Int? = nil) -> Bool {
    (connection ?? number) == number && (turn == nil || (self.turn ?? turn) == turn)
  }
}
