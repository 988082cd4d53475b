/// Which of the connections that wait for another exchange gets it, and which are given up. Time is an argument.
struct IdleQueue<Connection> {
  private struct Entry {
    let connection: Connection
    let key: ConnectionKey
    let until: Int64
  }

  /// The one that was used last is last.
  private var entries: [Entry] = []
  private let countMax: Int

  init(countMax: Int) { self.countMax = countMax }

  var count: Int { entries.count }

  /// When the first one has waited long enough.
  var due: Int64? { entries.lazy.map(\.until).min() }

  /// Returns what has to make room: the one that has waited longest.
  mutating func add(_ connection: Connection, for key: ConnectionKey, until: Int64) -> Connection? {
    entries.append(Entry(connection: connection, key: key, until: until))
    return entries.count > countMax ? entries.removeFirst().connection : nil
  }

  /// The one used last: of it the server is least likely to have had enough, and the others may run out of time.
  mutating func take(for key: ConnectionKey, now: Int64) -> Connection? {
    guard let index = entries.lastIndex(where: { $0.key == key && $0.until > now }) else { return nil }
    return entries.remove(at: index).connection
  }

  /// Takes out those that have waited long enough.
  mutating func takeOverdue(now: Int64) -> [Connection] { takeAll { $0.until <= now } }

  mutating func takeAll(for key: ConnectionKey) -> [Connection] { takeAll { $0.key == key } }

  mutating func takeAll() -> [Connection] { takeAll { _ in true } }

  mutating func remove(_ isIt: (Connection) -> Bool) { entries.removeAll { isIt($0.connection) } }

  private mutating func takeAll(_ isMeant: (Entry) -> Bool) -> [Connection] {
    let taken = entries.filter(isMeant)
    entries.removeAll(where: isMeant)
    return taken.map(\.connection)
  }
}
