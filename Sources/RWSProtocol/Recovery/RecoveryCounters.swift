/// What a client has done about failures since it was made.
public struct RecoveryCounters: Sendable, Equatable {
  /// Requests of turns that went out again and cannot have run before (`rws.resent`).
  public package(set) var resendCount = 0
  /// Those that may have run before (`rws.replayed`): so many responses may have been made twice.
  public package(set) var replayCount = 0
  /// Requests beside the turns (compacting, counting) that were made again.
  public package(set) var retriedRequestCount = 0
  /// WebSocket connections that were opened.
  public package(set) var connectionCount = 0
  /// Connections, over whatever, that could not be made.
  public package(set) var failedDialCount = 0
  /// Open connections that ended without the client's doing.
  public package(set) var lostConnectionCount = 0
  /// Times that a session moved to a younger connection (`rws.rotated`).
  public package(set) var rotationCount = 0
  /// Of those, times that the session's context was prepared there.
  public package(set) var primingCount = 0
  /// Turns that went over HTTP because WebSocket could not be had (`rws.transport`).
  public package(set) var fallbackCount = 0
  /// Turns that lost their connection, and ended with what the server had stored (`rws.recovered`), be it a failure.
  public package(set) var recoveryCount = 0
  /// Times that the caller was asked for an API key …
  public package(set) var keyRequestCount = 0
  /// … of which so many times because the server had refused the last one.
  public package(set) var refusedKeyCount = 0

  package init() {}
}
