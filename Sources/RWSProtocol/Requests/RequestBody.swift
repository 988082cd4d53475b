import RWSJSON

/// Splices a `response.create` from the settings, the anchor and the items.
package enum RequestBody {
  /// What names the context that the new items continue.
  package enum Context {
    /// The server holds everything up to this response.
    case previousResponse(String)
    /// The items are the whole context, or a `conversation` setting names it.
    case none
  }

  /// A `response.create` event for the lane with that index. `items` come in order; the parts are joined without a copy between.
  package static func create(
    settings: Settings, lane: Int, context: Context, items: [ItemList], isWarmUp: Bool
  ) -> [UInt8] {
    var body: [UInt8] = []
    body.reserveCapacity(
      256 + settings.memberBytes + items.reduce(0) { $0 + $1.joined.count + 1 })
    body.append(contentsOf: #"{"type":"response.create","#.utf8)
    if lane > 0 { body.append(contentsOf: #""stream_id":"\#(LaneName.string(lane))","#.utf8) }
    body.append(settings: settings)
    if case .previousResponse(let id) = context {
      body.append(contentsOf: #""previous_response_id":"#.utf8)
      var writer = JSONWriter()
      writer.string(id)
      body.append(contentsOf: writer.bytes)
      body.append(UInt8(ascii: ","))
    }
    if isWarmUp { body.append(contentsOf: #""generate":false,"#.utf8) }
    body.append(items: items)
    return body
  }

  /// The body of `POST /v1/responses` with the same meaning and the whole history.
  package static func http(settings: Settings, items: [ItemList]) -> [UInt8] {
    var body: [UInt8] = []
    body.append(UInt8(ascii: "{"))
    body.append(settings: settings)
    body.append(items: items)
    return body
  }

  /// Length of `http(settings:items:)` for one joined list, without building it.
  package static func httpCount(settings: Settings, joinedItemBytes: Int) -> Int {
    "{".utf8.count + settings.memberBytes + #""input":[]}"#.utf8.count + joinedItemBytes
  }
}

extension Settings {
  /// Bytes of all members, each with its comma.
  fileprivate var memberBytes: Int { fields.reduce(0) { $0 + $1.member.count + 1 } }
}

extension [UInt8] {
  fileprivate mutating func append(settings: Settings) {
    for field in settings.fields {
      append(contentsOf: field.member)
      append(UInt8(ascii: ","))
    }
  }

  /// `"input":[…]}`, the end of every body.
  fileprivate mutating func append(items lists: [ItemList]) {
    append(contentsOf: #""input":["#.utf8)
    var isFirst = true
    for list in lists where list.count > 0 {
      if !isFirst { append(UInt8(ascii: ",")) }
      append(contentsOf: list.joined)
      isFirst = false
    }
    append(contentsOf: "]}".utf8)
  }
}
