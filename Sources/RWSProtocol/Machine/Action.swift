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
  /// Ask for a fresh API key of the route, answered by `keyArrived`; true: the last one was refused.
  case askForKey(RouteID, isRefused: Bool)
  /// The answer is not waited for any more.
  case forgetKeyRequest(RouteID)
  /// Who called `awaitKey` may connect, or hears why there is no key.
  case keyAwaited(KeyWaiter.Caller, ResponsesError?)
  /// Make the exchange; answered by `errandEnded`.
  case post(ErrandID)
  /// Get the stored response of that id; answered by `lookedUp`.
  case lookUp(ErrandID, RouteID, String)
  /// Nothing more is done for it.
  case errandFailed(ErrandID, ResponsesError)
  /// No session uses the route any more, and no connection is left: its name may be forgotten.
  case routeEnded(RouteID)
  /// The answer to `connect`: nil when connected.
  case connectEnded(SessionID, ResponsesError?)
}
