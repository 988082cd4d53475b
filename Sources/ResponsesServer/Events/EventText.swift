/// An event of a response, written but for its number. That is given when the event is sent, because others
/// may have come between (`response.steer.accepted`).
struct EventText {
  private let bytes: [UInt8]
  /// Where the number goes; nil for a dialect without numbers.
  private let numberOffset: Int?

  init(_ bytes: [UInt8], numberOffset: Int?) {
    self.bytes = bytes
    self.numberOffset = numberOffset
  }

  func numbered(_ number: Int) -> [UInt8] {
    guard let numberOffset, numberOffset <= bytes.count else { return bytes }
    let digits = String(number).utf8
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count + digits.count)
    text.append(contentsOf: bytes[..<numberOffset])
    text.append(contentsOf: digits)
    text.append(contentsOf: bytes[numberOffset...])
    return text
  }
}

/// The type of an event that this server wrote: its first member, so that no one has to parse it.
enum EventType {
  static func of(_ text: [UInt8]) -> String {
    let prefix = Array(#"{"type":""#.utf8)
    guard text.starts(with: prefix) else { return "" }
    let name = text[prefix.count...].prefix { $0 != UInt8(ascii: "\"") }
    return String(decoding: name, as: UTF8.self)
  }

  static let terminal: Set<String> = [
    "response.completed", "response.incomplete", "response.failed", "response.done",
  ]
}
