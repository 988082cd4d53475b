/// A fault below the events: what the shell does to the connection.
package enum FaultAction: Equatable, Sendable {
  /// Sends the beginning of a frame of `of` bytes (nothing, if that is 0), then ends TCP without a close frame.
  case cut(after: [UInt8], of: Int, isReset: Bool)
  /// Sends nothing for so long; nil: ever again. What was to be sent follows.
  case stall(nanoseconds: Int64?)
  /// Neither reads nor sends any more, and keeps the connection.
  case halfOpen
  /// These bytes instead of a frame.
  case raw([UInt8])
  /// Every connection of the server is closed with 1012.
  case restart
}
