/// The response that the next turn may continue from, and who holds it.
///
/// A response that is not stored lives in the cache of one lane of one connection and dies with either;
/// continuing it anywhere else answers `previous_response_not_found` (protocol.md, The server's cache).
struct Anchor {
  let responseID: String
  let isStored: Bool
  /// Where it was made.
  let connection: Connection?
  let lane: Int
  /// It was made by the session from which this one was forked, and which may go on from it as well.
  var isInherited = false

  /// Whether the server has it for a request on `seat`: nil, or why not. Another lane of the same connection
  /// forks from it.
  func missing(on seat: Seat) -> FullReason? {
    let route = seat.connection.route
    // A fork in its source's place would get the source's steers, the source those that it was told to be unknown when
    // it went on elsewhere.
    let tenant = seat.connection[seat.lane].tenant
    if let held = seat.connection.heldSteers(on: seat.lane), held.responseID == responseID,
      held.session != tenant?.id || tenant?.pendingSteers.isEmpty != false
    {
      return .elsewhere
    }
    if isStored, route.holds(.storedIsDelta) { return nil }
    guard let connection, connection.state != .closed else {
      guard route.holds(.reconnectedIsFull) else { return nil }
      return connection?.wasLeft == true ? .rotated : .reconnected
    }
    let held = connection[lane]
    guard held.latestResponseID == responseID || !route.holds(.evictedIsFull) else {
      return held.evictionReason
    }
    guard connection === seat.connection || !route.holds(.elsewhereIsFull) else {
      switch connection.state {
      case .aging: return .rotated
      case .connecting, .open: return .elsewhere
      case .retiring, .closed: return .reconnected
      }
    }
    guard lane == seat.lane || connection.route.lanes == .supported else { return .elsewhere }
    return nil
  }
}
