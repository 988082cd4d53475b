import RWSNetwork
import RWSProtocol
import RWSWebSocket

/// As whom a session speaks, where that differs from its client. What is nil is the client's.
///
/// A connection is shared only by sessions with the same key, organisation, project and headers: the server's cache
/// belongs to them.
public struct Identity: Sendable {
  /// Sent as a bearer token; empty: no `Authorization` header.
  public var apiKey: String?
  /// Asked for a key before each connection, in the place of `apiKey`. nil: the client's, if no `apiKey` is given.
  public var apiKeySource: APIKeySource?
  /// `OpenAI-Organization`; empty: none.
  public var organization: String?
  /// `OpenAI-Project`; empty: none.
  public var project: String?
  /// Besides the client's; they win over those of the same name.
  public var headers: [Header] = []

  public init(
    apiKey: String? = nil, organization: String? = nil, project: String? = nil, headers: [Header] = [],
    apiKeySource: APIKeySource? = nil
  ) {
    self.apiKey = apiKey
    self.apiKeySource = apiKeySource
    self.organization = organization
    self.project = project
    self.headers = headers
  }
}

/// An identity made ready: the header fields that it comes to, checked, and what of them is secret.
struct PreparedIdentity: Sendable {
  /// Without the key where that is asked for.
  let fields: HTTPFields
  let secrets: Secrets
  let source: APIKeySource?

  init(_ identity: Identity, of client: ClientOptions, url: WebSocketURL) throws(ResponsesError) {
    guard identity.apiKeySource == nil || identity.apiKey == nil else { throw .twoKeys }
    var options = client
    options.apiKey = identity.apiKey ?? client.apiKey
    options.apiKeySource = identity.apiKeySource ?? (identity.apiKey == nil ? client.apiKeySource : nil)
    options.organization = Self.override(client.organization, by: identity.organization)
    options.project = Self.override(client.project, by: identity.project)
    options.headers = client.headers.overridden(by: identity.headers)
    fields = try options.upgradeFields(for: url)
    source = options.apiKeySource
    secrets = Secrets(options)
  }

  /// What the server sees is the same. Of keys that are asked for that is not known; whom they come from is.
  func isSame(_ fields: HTTPFields, _ source: APIKeySource?) -> Bool {
    self.fields == fields && APIKeySource.isSame(self.source, source)
  }

  private static func override(_ own: String?, by other: String?) -> String? {
    guard let other else { return own }
    return other.isEmpty ? nil : other
  }
}

extension ClientOptions {
  /// The header fields of the upgrade, known to be fit for sending.
  func upgradeFields(for url: WebSocketURL) throws(ResponsesError) -> HTTPFields {
    var fields = HTTPFields()
    for header in upgradeHeaders { fields.append(header.name, header.value) }
    do {
      // Only for its checks: a bad header must fail here, not at the first turn.
      _ = try ClientHandshake(url: url, nonce: [UInt8](repeating: 0, count: 16), fields: fields)
    } catch {
      throw ResponsesError(.invalidArgument, "A header cannot be sent: \(error)")
    }
    return fields
  }
}

/// The identities that sessions of one client use, each a route of the machine. On the client's loop.
struct IdentityTable {
  private var entries: [RouteID: PreparedIdentity] = [:]
  private var lastID: UInt64 = 0
  private let secrets: SecretStore

  init(secrets: SecretStore) { self.secrets = secrets }

  /// The client's own.
  static let clientRoute = RouteID(0)

  subscript(_ id: RouteID) -> PreparedIdentity? { entries[id] }

  /// The same route for the same fields, which is what the server sees.
  mutating func route(
    of identity: PreparedIdentity, client fields: HTTPFields, _ source: APIKeySource?
  ) -> RouteID {
    if identity.isSame(fields, source) { return Self.clientRoute }
    let known = entries.first { $0.value.isSame(identity.fields, identity.source) }
    if let known { return known.key }
    lastID += 1
    let id = RouteID(lastID)
    entries[id] = identity
    secrets.add(identity.secrets, of: id)
    return id
  }

  mutating func remove(_ id: RouteID) {
    entries[id] = nil
    secrets.remove(id)
  }
}
