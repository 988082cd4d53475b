/// What must never happen, with the seed that makes it happen.
enum Violation {
  nonisolated(unsafe) static var found: [String] = []

  static func report(_ text: String) { found.append(text) }
}
