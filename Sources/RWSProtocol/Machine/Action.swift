/// What the machine wants done; the shell carries it out in order.
package enum Action {
  /// Open a connection; answered by `opened` or `closed`.
  case connect(Connection)
  /// Send one text message; answered by `flushed` once the kernel has all of it.
  case send(Connection, [UInt8], TurnID)
  /// Send one text message that belongs to a turn that runs.
  case sendSteer(Connection, [UInt8], TurnID)
  case steered(SteerID, Steer.State)
  /// The server has let a turn follow the first one by itself; it runs.
  case succeeded(TurnID, TurnID)
  /// Read from the connection no more (true), or again.
  case pause(Connection, Bool)
  /// Begin the closing handshake and forget the connection: no answer is expected.
  case close(Connection)
  case deliver(TurnID, EventBatch, TurnStats)
  /// The last word on a turn.
  case end(TurnID, TurnEnd)
  /// No session uses the route any more, and no connection is left: its name may be forgotten.
  case routeEnded(RouteID)
  /// The answer to `connect`: nil when connected.
  case connectEnded(SessionID, ResponsesError?)
}
