import RWSJSON

extension SavedSession {
  /// Saved bytes are the caller's: whatever they are, the answer is a session or an error.
  /// - Parameter overrides: Settings that replace or, with null, remove those saved.
  package init(json: [UInt8], overrides: Settings = Settings()) throws(ResponsesError) {
    guard json.count <= Self.bytesMax else {
      throw ResponsesError(.limit, "The saved session is larger than \(Self.bytesMax >> 20) MiB.")
    }
    let members = try SavedMembers(try parseJSON(json, "saved session"))
    guard try members.string("format") == Self.format else { throw SavedMembers.unusable("its format") }
    let version = try members.integer("version")
    guard version == Self.version else {
      throw ResponsesError(
        .invalidArgument,
        "The saved session is of version \(version); this library reads version \(Self.version).")
    }
    try members.checkNames()

    let withheld = try members.strings("withheld")
    if let path = withheld.first, overrides["tools"] == nil {
      throw ResponsesError(
        .invalidArgument,
        "The saved session lacks \(path): credentials are not saved. Give \"tools\" again.")
    }
    settings = try Settings(json: Array(try members.value("settings").bytes)).merging(overrides)
    lastSettings = try members.optional("last_settings").map { value throws(ResponsesError) in
      let last = try Settings(json: Array(value.bytes))
      return withheld.isEmpty ? last : last.merging(overrides)
    }
    // A copy: the value would keep all of the saved bytes.
    initialInstructions = try members.optional("initial_instructions").map { value throws(ResponsesError) in
      try parseJSON(Array(value.bytes), "saved session")
    }
    responseID = try members.string("response_id")
    isStored = try members.bool("is_stored")
    guard !isStored || !responseID.isEmpty else { throw SavedMembers.unusable("response_id") }
    history = History(restoring: try SavedHistory(members))
  }

  package static let bytesMax = 1 << 30
}

/// The committed chain of a saved session, checked.
struct SavedHistory {
  /// The inside of the array of items.
  let text: [UInt8]
  let items: [HistoryTail.Item]
  /// Indices of the items where turns' inputs and outputs begin.
  let boundaries: [Int]
  /// Index of the first item that is replayed.
  let window: Int
  let openCalls: [String]
  let isCompared: Bool

  fileprivate init(_ members: SavedMembers) throws(ResponsesError) {
    let array = try members.value("items")
    guard array.kind == .array else { throw SavedMembers.unusable("items") }
    let values = array.elements
    guard values.allSatisfy({ $0.kind == .object }) else {
      throw SavedMembers.unusable("items: each must be an object")
    }
    text = Array(array.bytes.dropFirst().dropLast())
    let start = array.bytes.startIndex + 1
    let kinds = try Self.kinds(members.array("kinds"), count: values.count)
    items = values.enumerated().map { index, value in
      HistoryTail.Item(
        range: value.bytes.startIndex - start..<value.bytes.endIndex - start, value: value,
        kind: kinds[index] ?? .plain)
    }
    boundaries = try Self.indices(members.array("boundaries"), count: values.count)
    let window = Int(exactly: try members.integer("window")) ?? -1
    guard 0..<max(1, values.count) ~= window else { throw SavedMembers.unusable("window") }
    self.window = window
    openCalls = try members.strings("open_calls")
    isCompared = try members.bool("is_compared")
    // Else what is before it would not have been kept.
    guard isCompared || window == 0 else { throw SavedMembers.unusable("window") }
  }

  private static func indices(
    _ values: [JSONValue], count: Int
  ) throws(ResponsesError) -> [Int] {
    var indices: [Int] = []
    for value in values {
      guard let index = value.int.flatMap(Int.init(exactly:)), index <= count,
        index > indices.last ?? -1
      else { throw SavedMembers.unusable("boundaries") }
      indices.append(index)
    }
    return indices
  }

  private static func kinds(
    _ values: [JSONValue], count: Int
  ) throws(ResponsesError) -> [Int: ReplayItem.Kind] {
    var kinds: [Int: ReplayItem.Kind] = [:]
    for value in values {
      let pair = value.elements
      guard pair.count == 2, let index = pair[0].int.flatMap(Int.init(exactly:)),
        0..<count ~= index, kinds[index] == nil,
        let kind = pair[1].string.flatMap(ReplayItem.Kind.init(name:))
      else { throw SavedMembers.unusable("kinds") }
      kinds[index] = kind
    }
    return kinds
  }
}

/// The members of the object, each once and of the kind that is asked for.
private struct SavedMembers {
  private static let names: Set<String> = [
    "format", "version", "settings", "last_settings", "initial_instructions", "withheld", "response_id",
    "is_stored", "open_calls", "is_compared", "boundaries", "window", "kinds", "items",
  ]

  private var values: [String: JSONValue] = [:]

  init(_ object: JSONValue) throws(ResponsesError) {
    guard object.kind == .object else { throw Self.unusable("it is no object") }
    for member in object.members {
      guard values.updateValue(member.value, forKey: member.key) == nil else {
        throw Self.unusable("\"\(member.key)\" stands there twice")
      }
    }
  }

  /// Only once the version is known: another one has other members.
  func checkNames() throws(ResponsesError) {
    if let unknown = values.keys.filter({ !Self.names.contains($0) }).min() {
      throw Self.unusable("\"\(unknown)\" is unknown")
    }
  }

  static func unusable(_ what: String) -> ResponsesError {
    ResponsesError(
      .invalidJSON, "The saved session was not made by save(), or is damaged: \(what).")
  }

  func optional(_ name: String) -> JSONValue? { values[name] }

  func value(_ name: String) throws(ResponsesError) -> JSONValue {
    guard let value = values[name] else { throw Self.unusable("\"\(name)\" is missing") }
    return value
  }

  func string(_ name: String) throws(ResponsesError) -> String {
    guard let string = try value(name).string else { throw Self.unusable(name) }
    return string
  }

  func bool(_ name: String) throws(ResponsesError) -> Bool {
    guard let bool = try value(name).bool else { throw Self.unusable(name) }
    return bool
  }

  func integer(_ name: String) throws(ResponsesError) -> Int64 {
    guard let integer = try value(name).int else { throw Self.unusable(name) }
    return integer
  }

  func array(_ name: String) throws(ResponsesError) -> [JSONValue] {
    let value = try value(name)
    guard value.kind == .array else { throw Self.unusable(name) }
    return value.elements
  }

  func strings(_ name: String) throws(ResponsesError) -> [String] {
    var strings: [String] = []
    for element in try array(name) {
      guard let string = element.string else { throw Self.unusable(name) }
      strings.append(string)
    }
    return strings
  }
}
