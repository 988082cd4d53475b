import RWSNetwork
import RWSProtocol
import RWSWebSocket

/// API keys that are asked for. On the loop only.
extension ClientCore {
  func keySource(of route: RouteID) -> APIKeySource? {
    if let identity = identities[route] { return identity.source }
    return options.apiKeySource
  }

  func askForKey(of route: RouteID, isRefused: Bool) {
    let exchange = KeyExchange(self, route)
    keyRequests[route] = exchange
    guard let source = keySource(of: route) else {
      return exchange.settle(.failure(ResponsesError(.apiKey, "Nobody gives a key.")))
    }
    log(.debug, isRefused ? "asking for another API key: the last one was refused" : "asking for an API key")
    source.ask(APIKeyRequest(exchange, isRefused: isRefused))
  }

  func keyArrived(_ answer: Result<String, ResponsesError>, _ exchange: KeyExchange, of route: RouteID) {
    // Another question, or none, by now.
    guard keyRequests[route] === exchange else { return }
    keyRequests[route] = nil
    let before = keyFields[route]?["Authorization"]
    var failure: ResponsesError?
    do throws(ResponsesError) {
      keyFields[route] = try fields(withKey: answer.get(), of: route)
    } catch {
      failure = error
      log(.warning, error.message)
    }
    let isSame = before != nil && keyFields[route]?["Authorization"] == before
    drive { $0.keyArrived(on: route, failure, isSame: isSame, now: $1) }
  }

  private func fields(withKey key: String, of route: RouteID) throws(ResponsesError) -> HTTPFields {
    guard !key.isEmpty else {
      throw ResponsesError(.apiKey, "The callback for the API key gave an empty one.")
    }
    secrets.add(key: key)
    let fields = Self.withKey("Bearer \(key)", identities[route]?.fields ?? connect.fields)
    do throws(UpgradeRequestError) {
      // Only for its checks.
      _ = try HTTPRequest("GET", connect.url, fields: fields)
    } catch {
      throw ResponsesError(.apiKey, "The callback gave an API key that no header can hold.")
    }
    return fields
  }

  /// Unless they have credentials of their own.
  private static func withKey(_ credentials: String, _ fields: HTTPFields) -> HTTPFields {
    guard !fields.contains("Authorization") else { return fields }
    var all = fields
    all.append("Authorization", credentials)
    return all
  }

  /// For a raw connection, which has the client's own credentials.
  func awaitKey(isRefused: Bool, _ done: @escaping (ResponsesError?) -> Void) {
    lastKeyCaller += 1
    let caller = lastKeyCaller
    keyCallers[caller] = done
    drive {
      $0.awaitKey(caller, on: IdentityTable.clientRoute, isRefused: isRefused, now: $1)
    }
  }

  /// The same fields with the client's latest key.
  func withKey(_ fields: HTTPFields) -> HTTPFields {
    guard let key = keyFields[IdentityTable.clientRoute]?["Authorization"] else { return fields }
    return Self.withKey(key, fields)
  }

  func endRoute(_ route: RouteID) {
    guard route != IdentityTable.clientRoute else { return }
    keyRequests.removeValue(forKey: route)?.expire()
    keyFields[route] = nil
    identities.remove(route)
  }

  /// The client closes.
  func endKeyRequests() {
    for exchange in keyRequests.values { exchange.expire() }
    keyRequests = [:]
    keyCallers = [:]
  }

  /// What the server's answer says of the connection.
  func note(_ fields: HTTPFields, of connection: Connection) {
    guard let organization = fields["openai-organization"] else { return }
    drive { machine, _ in machine.noteOrganization(organization, of: connection) }
  }
}
