import RWSJSON

/// Splices a request from settings, anchor and items: the bytes of each as they are.
struct RequestBody {
  private var bytes: [UInt8]
  private var hasItems = false

  /// A `response.create` event for the lane of that index.
  init(_ settings: Settings, lane: Int, isWarmUp: Bool) {
    bytes = Array(#"{"type":"response.create","#.utf8)
    if lane > 0 { bytes.append(contentsOf: #""stream_id":"\#(LaneName.string(lane))","#.utf8) }
    if isWarmUp { bytes.append(contentsOf: #""generate":false,"#.utf8) }
    append(settings)
  }

  /// As the next, answered by server-sent events.
  init(streaming settings: Settings) {
    bytes = Array(#"{"stream":true,"#.utf8)
    append(settings)
  }

  /// The body of `POST /v1/responses` with the same meaning.
  init(http settings: Settings) {
    bytes = [UInt8(ascii: "{")]
    append(settings)
  }

  private mutating func append(_ settings: Settings) {
    for field in settings.fields {
      bytes.append(contentsOf: field.member)
      bytes.append(UInt8(ascii: ","))
    }
  }

  /// The server holds everything up to this response. Before the first item.
  mutating func `continue`(from responseID: String) {
    bytes.append(contentsOf: #""previous_response_id":"#.utf8)
    var writer = JSONWriter()
    writer.string(responseID)
    bytes.append(contentsOf: writer.bytes)
    bytes.append(UInt8(ascii: ","))
  }

  mutating func append(_ history: History, isStored: Bool) {
    let count = history.replayedBytes(isStored: isStored)
    guard count > 0 else { return }
    bytes.reserveCapacity(bytes.count + count + 1024)
    beginItem()
    history.replay(to: &bytes, isStored: isStored)
  }

  mutating func append(_ items: ItemList) {
    guard items.count > 0 else { return }
    beginItem()
    bytes.append(contentsOf: items.joined)
  }

  private mutating func beginItem() {
    bytes.append(contentsOf: (hasItems ? "," : #""input":["#).utf8)
    hasItems = true
  }

  consuming func finished() -> [UInt8] {
    bytes.append(contentsOf: (hasItems ? "]}" : #""input":[]}"#).utf8)
    return bytes
  }

  /// Length of the body for HTTP, without building it.
  static func httpCount(settings: Settings, history: History, input: ItemList) -> Int {
    let replayed = history.replayedBytes(isStored: settings.isStored)
    let separator = replayed > 0 && input.count > 0 ? 1 : 0
    let members = settings.fields.reduce(0) { $0 + $1.member.count + 1 }
    return #"{"input":[]}"#.utf8.count + members + replayed + separator + input.joined.count
  }
}
