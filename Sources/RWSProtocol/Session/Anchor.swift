/// The response that the next turn may continue from, and who holds it.
///
/// A response that is not stored lives in one connection's cache and dies with it; continuing it
/// anywhere else answers `previous_response_not_found` (protocol.md, The server's cache).
struct Anchor: Sendable, Equatable {
  let responseID: String
  let isStored: Bool
  let connection: ConnectionID

  func isHeld(on other: ConnectionID) -> Bool { isStored || connection == other }
}
