/// Whether a client asks its servers to compress messages (permessage-deflate, RFC 7692).
public enum Compression: Sendable, Equatable {
  /// Offered; used where the server accepts it.
  case automatic
  case off
}
