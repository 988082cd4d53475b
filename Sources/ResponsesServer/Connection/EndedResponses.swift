/// The latest responses that ended on a connection, and how.
struct EndedResponses {
  enum Status {
    case completed
    case failed
  }

  private static let idsMax = 256
  private var statuses: [String: Status] = [:]
  private var order: [String] = []

  func status(of id: String) -> Status? { statuses[id] }

  mutating func note(_ id: String, completed: Bool) {
    statuses[id] = completed ? .completed : .failed
    order.append(id)
    if order.count > Self.idsMax { statuses[order.removeFirst()] = nil }
  }
}
