import RWSJSON

/// Why a script of faults is refused: a sentence for whoever wrote it.
package struct FaultScriptError: Error, Equatable {
  package let message: String
}

extension FaultScript {
  /// Adds the faults of `{"faults":[{"do":…,"connection":…,"turn":…,"event":…,"times":…},…]}`, all or none.
  package func add(_ text: [UInt8]) throws(FaultScriptError) {
    let value: JSONValue
    do {
      value = try JSONValue(parsing: text)
    } catch {
      throw FaultScriptError(message: "The fault script is not valid JSON: \(error).")
    }
    guard let list = value["faults"], list.kind == .array else {
      throw FaultScriptError(message: "The fault script needs a member \"faults\", an array.")
    }
    var new: [Entry] = []
    for (index, element) in list.elements.enumerated() {
      new.append(try FaultReader(element, path: "faults[\(index)]").entry())
    }
    add(new)
  }
}

private struct FaultReader {
  private let fields: [String: JSONValue]
  private let path: String

  private static let known: Set<String> = [
    "do", "connection", "turn", "event", "times", "byte", "code", "reason", "status", "type",
    "message", "param", "headers", "misalignment", "ms", "hex", "instead",
  ]

  init(_ value: JSONValue, path: String) throws(FaultScriptError) {
    self.path = path
    fields = value.membersByKey
    guard value.kind == .object else {
      throw FaultScriptError(message: "\(path) must be an object.")
    }
    // A misspelt member would make a fault that never comes, or comes everywhere.
    if let unknown = fields.keys.sorted().first(where: { !Self.known.contains($0) }) {
      throw FaultScriptError(message: "\(path) has no member \"\(unknown)\".")
    }
  }

  func entry() throws(FaultScriptError) -> FaultScript.Entry {
    let times = try number("times", 0...1_000_000) ?? 1
    return FaultScript.Entry(
      connection: try number("connection", 1...1_000_000_000),
      turn: try number("turn", 1...1_000_000_000), place: try place(),
      times: times == 0 ? nil : times)
  }

  private func place() throws(FaultScriptError) -> FaultScript.Place {
    let name = try string("do") ?? ""
    switch name {
    case "refuse": return .upgrade(.refuse(try error(status: 503)))
    case "wrong-accept": return .upgrade(.wrongAcceptKey)
    case "silence": return .upgrade(.silence)
    default: break
    }
    let fault = try fault(name)
    guard let event = fields["event"] else {
      switch fault {
      case .drop, .fail, .incomplete:
        throw FaultScriptError(message: "\(path) must say at which \"event\".")
      case .error, .close, .cut, .send: return .start(fault)
      }
    }
    if let type = event.string { return .type(type, fault) }
    return .event(try number("event", 0...1_000_000_000) ?? 0, fault)
  }

  private func fault(_ name: String) throws(FaultScriptError) -> FaultScript.Fault {
    let isInstead = fields["instead"]?.bool ?? false
    switch name {
    case "error": return .error(try error(status: 500))
    case "fail":
      let error = try error(status: 500)
      return .fail(
        ResponseFailure(
          code: error.code ?? "server_error", message: error.message,
          misalignment: error.misalignment))
    case "incomplete": return .incomplete(reason: try string("reason") ?? "content_filter")
    case "close":
      return .close(
        code: UInt16(try number("code", 1000...4999) ?? 1011), reason: try string("reason") ?? "")
    case "cut", "reset":
      return .cut(bytes: try number("byte", 0...1_000_000_000), isReset: name == "reset")
    case "drop": return .drop
    case "stall":
      let milliseconds = try number("ms", 0...86_400_000)
      return .send(
        .stall(nanoseconds: milliseconds.map { Int64($0) * 1_000_000 }), isInstead: isInstead)
    case "half-open": return .send(.halfOpen, isInstead: isInstead)
    case "restart": return .send(.restart, isInstead: isInstead)
    case "raw": return .send(.raw(try hexadecimal()), isInstead: isInstead)
    // Reserved bits (RFC 6455 §5.2) that no extension gave a meaning.
    case "malformed-frame":
      return .send(.raw([0xF1, 0x02, 0x7B, 0x7D]), isInstead: isInstead)
    case "bad-utf8": return .send(.raw([0x81, 0x04, 0x22, 0xC3, 0x28, 0x22]), isInstead: isInstead)
    case "bad-json": return .send(.raw([0x81, 0x02, 0x7B, 0x22]), isInstead: isInstead)
    case "binary": return .send(.raw([0x82, 0x02, 0x7B, 0x7D]), isInstead: isInstead)
    case "masked-frame":
      return .send(.raw([0x81, 0x82, 0, 0, 0, 0, 0x7B, 0x7D]), isInstead: isInstead)
    default:
      throw FaultScriptError(
        message: "\(path).do is \"\(name)\", which is no fault; docs/local-server.md lists them.")
    }
  }

  private func error(status: Int) throws(FaultScriptError) -> RequestError {
    let status = try number("status", 400...599) ?? status
    var error = RequestError(
      status: status,
      type: try string("type") ?? (status < 500 ? "invalid_request_error" : "server_error"),
      code: try string("code") ?? (status < 500 ? nil : "server_error"),
      message: try string("message") ?? "A fault of the script.", param: try string("param"))
    if let misalignment = fields["misalignment"] {
      guard misalignment.kind == .object else {
        throw FaultScriptError(message: "\(path).misalignment must be an object.")
      }
      error.misalignment = Misalignment(json: Array(misalignment.bytes))
    }
    for member in fields["headers"]?.members ?? [] {
      error.headers.append(
        RequestError.Header(name: member.key, value: member.value.string ?? ""))
    }
    return error
  }

  private func string(_ key: String) throws(FaultScriptError) -> String? {
    guard let value = fields[key] else { return nil }
    guard let string = value.string else {
      throw FaultScriptError(message: "\(path).\(key) must be a string.")
    }
    return string
  }

  private func number(
    _ key: String, _ range: ClosedRange<Int64>
  ) throws(FaultScriptError) -> Int? {
    guard let value = fields[key] else { return nil }
    guard let number = value.int, range.contains(number) else {
      throw FaultScriptError(
        message: "\(path).\(key) must be a number from \(range.lowerBound) to \(range.upperBound).")
    }
    return Int(number)
  }

  private func hexadecimal() throws(FaultScriptError) -> [UInt8] {
    var digits = Array((try string("hex") ?? "").utf8)[...]
    var bytes: [UInt8] = []
    while let high = digits.popFirst() {
      guard let low = digits.popFirst(),
        let byte = UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16)
      else {
        throw FaultScriptError(message: "\(path).hex must be pairs of hexadecimal digits.")
      }
      bytes.append(byte)
    }
    return bytes
  }
}
