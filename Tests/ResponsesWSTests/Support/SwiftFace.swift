import ResponsesWS
import Testing

/// What a Swift user meets. One test after another: many measure times or hold many connections.
@Suite(.serialized, .timeLimit(.minutes(1))) enum SwiftFace {}

extension ClientOptions {
  /// For tests: no wait is without bound, and nothing comes from the environment.
  static func test(_ baseURL: String, apiKey: String = "") -> ClientOptions {
    var options = ClientOptions(baseURL: baseURL, apiKey: apiKey)
    options.connectTimeout = .seconds(20)
    options.turnTimeout = .seconds(20)
    options.proxy = ""
    // What is sent again, and when, has tests of its own; here failures are told.
    options.replayPolicy = .never
    options.retryBackoff = .zero
    return options
  }
}

extension Client {
  /// A session of a new client.
  static func session(
    _ baseURL: String, settings: String = #"{"model":"test","store":false}"#,
    _ configure: (inout ClientOptions) -> Void = { _ in }
  ) throws -> Session {
    var options = ClientOptions.test(baseURL)
    configure(&options)
    return try Client(options).session(settings: settings)
  }
}

extension Session {
  /// The turn after its good end.
  func finished(_ text: String) throws -> Turn {
    let turn = try start(text)
    try #require(try turn.wait())
    return turn
  }
}

/// The error that `body` throws; a test failure if there is none, or one of another type.
func failure(
  _ location: SourceLocation = #_sourceLocation, of body: () throws -> Void
) throws -> ResponsesError {
  do {
    try body()
  } catch let error as ResponsesError {
    return error
  }
  return try #require(nil, "nothing was thrown", sourceLocation: location)
}

/// As the other, for readers that do not block.
func failure(
  _ location: SourceLocation = #_sourceLocation, of body: () async throws -> Void
) async throws -> ResponsesError {
  do {
    try await body()
  } catch let error as ResponsesError {
    return error
  }
  return try #require(nil, "nothing was thrown", sourceLocation: location)
}
