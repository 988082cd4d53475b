/// One member of a Sec-WebSocket-Extensions header (RFC 6455 §9.1).
struct WebSocketExtension: Equatable, Sendable {
  struct Parameter: Equatable, Sendable {
    let name: String
    /// Without the quotes that it may have been written in; nil: no "=".
    let value: String?
  }

  let name: String
  let parameters: [Parameter]

  static let field = "Sec-WebSocket-Extensions"

  /// All members, over all fields of that name; nil if one of them breaks the grammar.
  static func list(in fields: HTTPFields) -> [WebSocketExtension]? {
    var all: [WebSocketExtension] = []
    for value in fields.values(field) {
      var cursor = ExtensionCursor(value)
      guard let members = cursor.readList() else { return nil }
      all += members
    }
    return all
  }
}

/// Reads the grammar of §9.1. Quotes matter: a quoted value may be written with any character, though after
/// unquoting it must be a token.
private struct ExtensionCursor {
  private let bytes: [UInt8]
  private var at = 0

  init(_ text: String) { bytes = Array(text.utf8) }

  mutating func readList() -> [WebSocketExtension]? {
    var members: [WebSocketExtension] = []
    repeat {
      // RFC 9110 §5.6.1.2: a list may have empty members.
      skipBlanks()
      if at == bytes.count || bytes[at] == UInt8(ascii: ",") { continue }
      guard let member = readExtension() else { return nil }
      members.append(member)
    } while take(UInt8(ascii: ","))
    return at == bytes.count ? members : nil
  }

  private mutating func readExtension() -> WebSocketExtension? {
    guard let name = readToken() else { return nil }
    var parameters: [WebSocketExtension.Parameter] = []
    while take(UInt8(ascii: ";")) {
      guard let name = readToken() else { return nil }
      var value: String?
      if take(UInt8(ascii: "=")) {
        value = readValue()
        if value == nil { return nil }
      }
      parameters.append(.init(name: name, value: value))
    }
    return WebSocketExtension(name: name, parameters: parameters)
  }

  private mutating func readValue() -> String? {
    guard take(UInt8(ascii: "\"")) else { return readToken() }
    var value: [UInt8] = []
    while at < bytes.count {
      var byte = bytes[at]
      at += 1
      if byte == UInt8(ascii: "\"") {
        return HTTPSyntax.isToken(value) ? String(decoding: value, as: UTF8.self) : nil
      }
      if byte == UInt8(ascii: "\\") {
        guard at < bytes.count else { return nil }
        byte = bytes[at]
        at += 1
      }
      value.append(byte)
    }
    return nil
  }

  private mutating func readToken() -> String? {
    skipBlanks()
    let start = at
    while at < bytes.count, HTTPSyntax.isTokenByte(bytes[at]) { at += 1 }
    return start == at ? nil : String(decoding: bytes[start..<at], as: UTF8.self)
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    skipBlanks()
    guard at < bytes.count, bytes[at] == byte else { return false }
    at += 1
    return true
  }

  private mutating func skipBlanks() {
    while at < bytes.count, HTTPSyntax.isBlank(bytes[at]) { at += 1 }
  }
}
