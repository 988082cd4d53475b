import RWSJSON
import Testing

@testable import ResponsesServer

/// A connection without a socket, driven by a test: sends JSON, collects frames, moves the clock.
final class Script {
  var connection: ServerConnection
  var now: Int64 = 0
  private(set) var frames: [JSONValue] = []
  private(set) var logs: [JSONValue] = []
  private(set) var closeCode: UInt16?
  private(set) var faults: [FaultAction] = []

  init(
    _ configuration: ServerConfiguration = ServerConfiguration(),
    store: ResponseStore = ResponseStore(), seed: UInt64 = 1, organization: String = "",
    meter: RequestMeter? = nil, faults: String? = nil
  ) {
    let script = FaultScript()
    if let faults { try? script.add(Array(#"{"faults":\#(faults)}"#.utf8)) }
    connection = ServerConnection(
      configuration: configuration, store: store, seed: seed, organization: organization,
      meter: meter, faults: script)
  }

  /// Sends one text frame and returns the frames that came at once.
  @discardableResult
  func send(_ text: String) throws -> [JSONValue] {
    let bytes = Array(text.utf8)
    let now = now
    return try take(bytes.withUnsafeBytes { connection.receive($0, now: now) })
  }

  /// A `response.create` with these members besides type and model.
  @discardableResult
  func create(_ members: String, model: String = "rules") throws -> [JSONValue] {
    try send(#"{"type":"response.create","model":"\#(model)",\#(members)}"#)
  }

  @discardableResult
  func advance(milliseconds: Int64) throws -> [JSONValue] {
    now += milliseconds * 1_000_000
    return try take(connection.tick(now))
  }

  private func take(_ output: [ServerConnection.Output]) throws -> [JSONValue] {
    var new: [JSONValue] = []
    for item in output {
      switch item {
      case .text(let text): new.append(try JSONValue(parsing: text))
      case .log(let line): logs.append(try JSONValue(parsing: line))
      case .cost(let record): logs.append(try JSONValue(parsing: record.line(ended: now)))
      case .close(let code, _): closeCode = code
      case .fault(let action): faults.append(action)
      }
    }
    frames += new
    return new
  }
}

extension [JSONValue] {
  var types: [String] { map { $0["type"]?.string ?? "" } }

  /// The response of the last terminal event.
  var response: JSONValue? {
    last { ["response.completed", "response.incomplete", "response.failed"].contains($0.type) }?[
      "response"]
  }

  var responseID: String { response?["id"]?.string ?? "" }

  var text: String {
    (response?["output"]?.elements ?? []).flatMap { $0["content"]?.elements ?? [] }
      .compactMap { $0["text"]?.string }.joined()
  }

  var calls: [JSONValue] {
    (response?["output"]?.elements ?? []).filter { $0["call_id"] != nil }
  }

  var error: JSONValue? { last { $0.type == "error" } }
  var errorCode: String? { error?["error"]?["code"]?.string }
  var errorMessage: String { error?["error"]?["message"]?.string ?? "" }
  var errorStatus: Int64? { error?["status"]?.int }
}

extension JSONValue {
  var type: String { self["type"]?.string ?? "" }
}
