import RWSJSON

/// A session as it is kept outside the process: its settings and what is committed of its chain. The items are the
/// bytes that were sent and received. No credential of the client's is part of it, and those that the settings
/// hold for MCP servers are left out.
///
/// Version 1 is one JSON object; docs/sessions.md says what its members mean.
package struct SavedSession: Sendable {
  package static let version: Int64 = 1
  package static let format = "responsesws.session"

  package internal(set) var settings: Settings
  /// Of the last committed turn.
  var lastSettings: Settings?
  var initialInstructions: JSONValue?
  let responseID: String
  /// Whether the last response can be continued by its id.
  let isStored: Bool
  let history: History

  init(
    settings: Settings, lastSettings: Settings?, initialInstructions: JSONValue?, responseID: String,
    isStored: Bool, history: History
  ) {
    self.settings = settings
    self.lastSettings = lastSettings
    self.initialInstructions = initialInstructions
    self.responseID = responseID
    self.isStored = isStored
    self.history = history
  }

  // MARK: Writing

  package var json: [UInt8] {
    let (settings, withheld) = self.settings.withholdingCredentials()
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("format", Self.format)
    writer.member("version", Self.version)
    writer.member("settings", raw: settings.json)
    if let lastSettings {
      writer.member("last_settings", raw: lastSettings.withholdingCredentials().settings.json)
    }
    if let initialInstructions { writer.member("initial_instructions", initialInstructions) }
    writer.member("withheld", withheld)
    writer.member("response_id", responseID)
    writer.member("is_stored", isStored)
    writer.member("open_calls", history.openCalls)
    writer.member("is_compared", history.isCompared)
    return Self.join(writer, history)
  }

  /// The items first get their place in the text, so that the rest can speak of them by number.
  private static func join(_ head: JSONWriter, _ history: History) -> [UInt8] {
    var items: [UInt8] = [UInt8(ascii: "[")]
    items.reserveCapacity(history.log.count + 2)
    history.log.forEachPiece(0..<history.log.count) { items.append(contentsOf: $0) }
    items.append(UInt8(ascii: "]"))
    var writer = head
    writer.key("boundaries")
    writer.beginArray()
    for boundary in history.boundaries { writer.int(boundary.itemIndex) }
    writer.endArray()
    writer.member("window", history.windowItemIndex ?? 0)
    writer.key("kinds")
    writer.beginArray()
    for (index, kind) in kinds(history, items) {
      writer.beginArray()
      writer.int(index)
      writer.string(kind.name)
      writer.endArray()
    }
    writer.endArray()
    writer.member("items", raw: items)
    writer.endObject()
    return writer.bytes
  }

  /// Of the items that are not plain.
  private static func kinds(_ history: History, _ array: [UInt8]) -> [(Int, ReplayItem.Kind)] {
    guard !history.isPlain else { return [] }
    return itemStarts(array).enumerated().compactMap { index, start in
      let kind = history.kind(at: start)
      return kind == .plain ? nil : (index, kind)
    }
  }

  /// Offsets in the inside of the array.
  private static func itemStarts(_ array: [UInt8]) -> [Int] {
    let starts = try? array.withUnsafeBufferPointer { bytes throws(JSONError) in
      var cursor = JSONCursor(UnsafeRawBufferPointer(bytes))
      var starts: [Int] = []
      try cursor.enterArray()
      while try cursor.nextElement() { starts.append(try cursor.takeValue().start - 1) }
      return starts
    }
    return starts ?? []
  }
}

extension ReplayItem.Kind {
  var name: String {
    switch self {
    case .plain: "plain"
    case .unclean: "unclean"
    case .bareReasoning: "bare_reasoning"
    case .afterBareReasoning: "after_bare_reasoning"
    case .dropped: "dropped"
    }
  }

  init?(name: String) {
    switch name {
    case "plain": self = .plain
    case "unclean": self = .unclean
    case "bare_reasoning": self = .bareReasoning
    case "after_bare_reasoning": self = .afterBareReasoning
    case "dropped": self = .dropped
    default: return nil
    }
  }
}

extension JSONWriter {
  fileprivate mutating func member(_ name: String, _ values: [String]) {
    key(name)
    beginArray()
    for value in values { string(value) }
    endArray()
  }
}
