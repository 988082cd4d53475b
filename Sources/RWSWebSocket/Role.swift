/// The side of the connection that this code plays. Clients mask what they send, servers do not (RFC 6455
/// §5.1).
package enum Role: Sendable, Equatable {
  case client
  case server

  var peer: Role {
    switch self {
    case .client: .server
    case .server: .client
    }
  }
}
