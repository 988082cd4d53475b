import RWSNetwork
import RWSProtocol

/// The credentials of a client, to be kept out of everything that leaves the library: servers repeat
/// them in error messages and bodies (a rejected key, a proxy's echo of the request).
struct Secrets: Sendable {
  fileprivate let values: [[UInt8]]

  /// Shorter values are no secrets, and would make ordinary text unreadable.
  private static let lengthMin = 6

  init(_ options: ClientOptions) {
    let proxies = options.proxyRules.credentials
    self.init(
      options.headers, key: options.effectiveAPIKey,
      further: proxies.flatMap { [$0.password, Array($0.basicToken.utf8)] })
  }

  init(_ headers: [Header], key: String = "", further: [[UInt8]] = []) {
    var values = [key]
    for header in headers where Self.isCredential(header.name) {
      values.append(header.value)
      // "Bearer …", "Basic …": the part after the scheme is the secret.
      values.append(header.value.split(separator: " ").last.map(String.init) ?? "")
    }
    self.values = (values.map { Array($0.utf8) } + further).filter { $0.count >= Self.lengthMin }
      .sorted { $0.count > $1.count }
  }

  private static func isCredential(_ name: String) -> Bool {
    // Bytes, not String.contains: that would link the regular expression engine.
    let name = Array(name.lowercased().utf8)
    return ["auth", "key", "token", "cookie", "secret"].contains { word in
      name.indices.contains { name[$0...].starts(with: word.utf8) }
    }
  }

  func redact(_ error: ResponsesError) -> ResponsesError {
    guard !values.isEmpty else { return error }
    var redacted = error
    redacted.message = redact(error.message)
    redacted.code = redact(error.code)
    redacted.type = redact(error.type)
    redacted.param = redact(error.param)
    redacted.requestID = redact(error.requestID)
    redacted.body = redact(error.body)
    return redacted
  }

  func redact(_ text: String) -> String {
    let bytes = Array(text.utf8)
    let redacted = redact(bytes)
    return redacted == bytes ? text : String(decoding: redacted, as: UTF8.self)
  }

  private func redact(_ bytes: [UInt8]) -> [UInt8] {
    values.reduce(bytes) { $0.replacing($1, with: Array("[redacted]".utf8)) }
  }
}

/// The secrets of a client and of the identities that its sessions use now. Thread-safe.
final class SecretStore: @unchecked Sendable {
  private let own: Secrets
  private let lock = Lock()
  private var others: [RouteID: Secrets] = [:]
  /// Those that were asked for, the latest last: connections live longer than what they were made with.
  private var keys: [Secrets] = []
  private static let keysMax = 64

  init(_ own: Secrets) { self.own = own }

  func add(_ secrets: Secrets, of route: RouteID) { lock.withLock { others[route] = secrets } }

  func add(key: String) {
    let secret = Secrets([], key: key)
    lock.withLock {
      guard !keys.contains(where: { $0.values == secret.values }) else { return }
      keys.append(secret)
      if keys.count > Self.keysMax { keys.removeFirst() }
    }
  }

  func remove(_ route: RouteID) { lock.withLock { others[route] = nil } }

  func redact(_ error: ResponsesError) -> ResponsesError {
    all.reduce(own.redact(error)) { $1.redact($0) }
  }

  func redact(_ text: String) -> String { all.reduce(own.redact(text)) { $1.redact($0) } }

  private var all: [Secrets] { lock.withLock { Array(others.values) + keys } }
}

extension [UInt8] {
  fileprivate func replacing(_ needle: [UInt8], with replacement: [UInt8]) -> [UInt8] {
    guard let first = needle.first, count >= needle.count else { return self }
    var result: [UInt8] = []
    var position = 0
    while position < count {
      if self[position] == first, self[position...].starts(with: needle) {
        result.append(contentsOf: replacement)
        position += needle.count
      } else {
        result.append(self[position])
        position += 1
      }
    }
    return result
  }
}
