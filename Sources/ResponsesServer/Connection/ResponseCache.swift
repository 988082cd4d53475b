/// What one connection remembers: the latest response of each lane, and nothing older.
struct ResponseCache {
  /// An optional is the key because nil is the default lane.
  private var latest: [String?: CachedResponse] = [:]

  func response(_ id: String) -> CachedResponse? {
    latest.values.first { $0.id == id }
  }

  /// Whether `id` is there, and another lane's.
  func isFork(_ id: String, on lane: String?) -> Bool {
    latest[lane]?.id != id && latest.values.contains { $0.id == id }
  }

  mutating func commit(_ response: CachedResponse, on lane: String?) {
    latest[lane] = response
  }

  /// A continuation of `id` failed on `lane`. Its own lane forgets it; another lane's fork does it no harm.
  mutating func continuationFailed(of id: String, on lane: String?) {
    if latest[lane]?.id == id { latest[lane] = nil }
  }
}
