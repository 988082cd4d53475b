import RWSJSON

/// What a compaction item says of the context that it stands for: as much as the rules look at. The service
/// encrypts a summary; this server spells it in hexadecimal, so that the item works on every connection.
package struct ContextSummary: Equatable, Sendable {
  package let userMessages: Int
  package let toolOutputs: Int
  /// Its beginning, if it is long.
  package let firstUserText: String
  /// Made by `/v1/responses/compact`: the user messages before it are still part of the context.
  package let keepsWindow: Bool

  private static let mark = "gAAAAACmp_"
  private static let textBytesMax = 400

  init(of context: Context, keepsWindow: Bool) {
    let input = ModelInput(context: context, tools: [])
    self.keepsWindow = keepsWindow
    // The messages that are kept beside the summary are not counted twice.
    userMessages = keepsWindow ? 0 : input.userMessages
    toolOutputs = input.toolOutputs
    var text = keepsWindow ? "" : input.firstUserText
    if text.utf8.count > Self.textBytesMax { text = String(text.prefix(100)) }
    firstUserText = text
  }

  init?(ciphertext: String) {
    guard ciphertext.hasPrefix(Self.mark) else { return nil }
    var bytes: [UInt8] = []
    var digits = ciphertext.utf8.dropFirst(Self.mark.utf8.count)
    guard digits.count.isMultiple(of: 2) else { return nil }
    while let high = digits.popFirst(), let low = digits.popFirst() {
      guard let byte = UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16) else {
        return nil
      }
      bytes.append(byte)
    }
    guard let value = try? JSONValue(parsing: bytes), let users = value["users"]?.int,
      let tools = value["tools"]?.int, (0...1_000_000_000).contains(users),
      (0...1_000_000_000).contains(tools), let window = value["window"]?.bool
    else { return nil }
    userMessages = Int(users)
    toolOutputs = Int(tools)
    firstUserText = value["first"]?.string ?? ""
    keepsWindow = window
  }

  var ciphertext: String {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("users", userMessages)
    writer.member("tools", toolOutputs)
    writer.member("first", firstUserText)
    writer.member("window", keepsWindow)
    writer.endObject()
    let digits = writer.bytes.map { byte in
      let digits = String(byte, radix: 16)
      return byte < 16 ? "0" + digits : digits
    }
    return Self.mark + digits.joined()
  }
}
