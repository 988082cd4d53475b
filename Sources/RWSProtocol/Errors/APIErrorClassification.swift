/// The one table from what the API says to what it means (protocol.md, Errors).
extension ResponsesError {
  /// From an `error` event, a failed response, or the body of a refused upgrade.
  /// - Parameter fallback: the status where the table knows neither code nor HTTP status.
  package init(_ fields: APIErrorFields, fallback: Status, body: UnsafeRawBufferPointer) {
    let status = Self.status(fields, fallback)
    self.init(status, Self.sentence(fields, fallback) + Self.advice(status, fields))
    httpStatus = fields.status
    retryAfterMilliseconds =
      fields.retryAfterMilliseconds < 0 ? nil : fields.retryAfterMilliseconds
    code = fields.code ?? ""
    type = fields.type ?? ""
    param = fields.param ?? ""
    requestID = fields.requestID ?? ""
    self.body = Array(body.prefix(Self.bodyBytesMax))
  }

  private static func status(_ fields: APIErrorFields, _ fallback: Status) -> Status {
    switch fields.code {
    case "previous_response_not_found": return .previousResponseNotFound
    case "websocket_connection_limit_reached": return .connectionLimit
    case "context_length_exceeded": return .contextLength
    case "server_is_overloaded", "server_error", "slow_down": return .overloaded
    case "rate_limit_exceeded", "insufficient_quota", "usage_limit_reached": return .rateLimited
    case "invalid_api_key": return .unauthorized
    default: break
    }
    // Some servers name the field, or only write the sentence (user-pain 23).
    if fields.param == "previous_response_id", fields.code == nil || fields.status == 404 {
      return .previousResponseNotFound
    }
    switch fields.status {
    case 401, 403: return .unauthorized
    case 429: return .rateLimited
    case 500...599 where fields.status != 501: return .overloaded
    default: return fields.type == "server_error" ? .overloaded : fallback
    }
  }

  /// To a request that continued a response: the server does not have it, whatever the name that it gives to that.
  var isAboutAnchor: Bool {
    if status == .previousResponseNotFound || param == "previous_response_id" { return true }
    guard code != "context_length_exceeded", (400...499).contains(httpStatus) || httpStatus == 0 else {
      return false
    }
    let sentence = Array(message.lowercased().utf8)
    return (sentence.hold("previous response") || sentence.hold("previous_response_id"))
      && sentence.hold("not found")
  }

  /// The server does not know the field that names a lane.
  var isAboutLanes: Bool {
    param == "stream_id" && code != "invalid_stream_id"
      && code != "websocket_stream_limit_reached"
  }

  /// What happened in a sentence of ours, then the API's own words.
  private static func sentence(_ fields: APIErrorFields, _ fallback: Status) -> String {
    let what =
      switch fallback {
      case .responseFailed: "The response failed"
      case .upgradeRefused: "The server refused the connection"
      default: "The API refused the request"
      }
    var details: [String] = []
    if fields.status != 0 { details.append("HTTP status \(fields.status)") }
    if let name = fields.code ?? fields.type, !name.isEmpty { details.append(name) }
    let inBrackets = details.isEmpty ? "" : " (\(details.joined(separator: ", ")))"
    guard let message = fields.message, !message.isEmpty else {
      return "\(what)\(inBrackets) without giving a reason."
    }
    return "\(what)\(inBrackets): \(message)"
  }

  private static func advice(_ status: Status, _ fields: APIErrorFields) -> String {
    switch status {
    case .unauthorized: " Check the API key, organisation and project."
    case .contextLength: " Compact the session or start a new one."
    case .rateLimited where fields.code == "insufficient_quota": " Check plan and billing."
    case .rateLimited: " Wait before the next request."
    case .overloaded: " Try again in a moment."
    default: ""
    }
  }
}

extension [UInt8] {
  /// Bytes, not String.contains: that would link the regular expression engine, 1.3 MiB.
  fileprivate func hold(_ words: StaticString) -> Bool {
    let sought = UnsafeRawBufferPointer(start: words.utf8Start, count: words.utf8CodeUnitCount)
    return indices.contains { self[$0...].starts(with: sought) }
  }
}
