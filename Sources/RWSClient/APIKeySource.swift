import RWSNetwork
import RWSProtocol

/// Who is asked for an API key before each connection is made: for keys that do not last. Connections live on when
/// their key has expired; each new one gets a new one.
///
/// One source stands for one set of credentials: sessions share connections only if their source is the same.
public final class APIKeySource: Sendable {
  let ask: @Sendable (APIKeyRequest) -> Void
  private let name: Name?

  /// What two sources have in common that stand for the same, though they are not one object. It holds while sessions
  /// with it are open.
  package struct Name: Equatable, Sendable {
    let function: UInt
    let userData: UInt

    package init(function: UInt, userData: UInt) {
      self.function = function
      self.userData = userData
    }
  }

  /// - Parameter ask: Called on the client's I/O thread, which it must not keep waiting: it answers at once, or lets
  ///   another thread do so. One call at a time for each source and client, or several where sessions with it
  ///   differ in organisation, project or headers. It may call the library, but for what waits.
  public convenience init(_ ask: @escaping @Sendable (APIKeyRequest) -> Void) {
    self.init(name: nil, ask)
  }

  package init(name: Name?, _ ask: @escaping @Sendable (APIKeyRequest) -> Void) {
    self.name = name
    self.ask = ask
  }

  static func isSame(_ one: APIKeySource?, _ other: APIKeySource?) -> Bool {
    guard let one, let other else { return one == nil && other == nil }
    return one === other || one.name != nil && one.name == other.name
  }
}

/// A question for an API key. It waits for its answer for the connect timeout; if nobody keeps it, it has failed.
/// Thread-safe.
public final class APIKeyRequest: Sendable {
  /// The server has refused the last key: look for one that is new, not for a cached one.
  public let isRefused: Bool
  private let exchange: KeyExchange

  init(_ exchange: KeyExchange, isRefused: Bool) {
    self.exchange = exchange
    self.isRefused = isRefused
  }

  deinit { fail("The callback for the API key gave no answer.") }

  /// Only the first answer counts, and none that comes too late.
  public func answer(_ key: String) { exchange.settle(.success(key)) }

  /// - Parameter reason: A sentence for the error. Without secrets.
  public func fail(_ reason: String) { exchange.settle(.failure(ResponsesError(.apiKey, reason))) }

  /// Called on the client's I/O thread if the question is not asked any more before it was answered.
  package func onExpiry(_ action: @escaping @Sendable () -> Void) { exchange.onExpiry(action) }
}

/// One question and the way back to the client, which may be gone by then.
final class KeyExchange: @unchecked Sendable {
  private let lock = Lock()
  // Guarded by `lock`:
  private weak var client: ClientCore?
  private let route: RouteID
  private var isSettled = false
  private var expired: (@Sendable () -> Void)?

  init(_ client: ClientCore, _ route: RouteID) {
    self.client = client
    self.route = route
  }

  func settle(_ answer: Result<String, ResponsesError>) {
    guard let client = end().client, !client.isForkedChild else { return }
    client.loop.post { [route] in client.keyArrived(answer, self, of: route) }
  }

  func onExpiry(_ action: @escaping @Sendable () -> Void) {
    lock.withLock { if !isSettled { expired = action } }
  }

  func expire() { end().expired?() }

  private func end() -> (client: ClientCore?, expired: (@Sendable () -> Void)?) {
    lock.withLock {
      guard !isSettled else { return (nil, nil) }
      isSettled = true
      defer {
        client = nil
        expired = nil
      }
      return (client, expired)
    }
  }
}

extension ResponsesError {
  static var twoKeys: ResponsesError {
    ResponsesError(.invalidArgument, "Give api_key or a callback for it, not both.")
  }
}
