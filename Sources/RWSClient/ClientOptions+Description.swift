/// Options end up in logs; what they hold of credentials must not.
extension ClientOptions: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String {
    let url = baseURL ?? "(environment or default)"
    let key =
      apiKeySource != nil
      ? "asked for" : apiKey.map { $0.isEmpty ? "none" : "given" } ?? "from the environment"
    let way = proxy.map { $0.isEmpty ? "none" : "given" } ?? "from the environment"
    return "ClientOptions(baseURL: \(url), API key: \(key), headers: \(headers.map(\.name)), "
      + "proxy: \(way))"
  }

  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: []) }
}

extension Identity: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String {
    let key =
      apiKeySource != nil ? "asked for" : apiKey.map { $0.isEmpty ? "none" : "given" } ?? "the client's"
    return "Identity(API key: \(key), headers: \(headers.map(\.name)))"
  }

  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: []) }
}

extension Header: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "\(name): (\(value.utf8.count) bytes)" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: []) }
}
