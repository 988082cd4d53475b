import RWSJSON

/// What an error of the API says, whatever its shape:
///
///     {"type":"error","status":400,"error":{"type","code","message","param","headers"},"headers"}
///     {"type":"error","code","message","param"}                              over SSE
///     {"error":{…}} or {"error":"…"}                                         some gateways, HTTP bodies
///     {"type":"response.failed","response":{"error":{"code","message"}}}
///
/// The inner object counts before what stands beside it.
package struct APIErrorFields: Equatable, Sendable {
  /// 0: not told.
  package private(set) var status: Int32 = 0
  package private(set) var type: String?
  package private(set) var code: String?
  package private(set) var message: String?
  package private(set) var param: String?
  /// -1: not told.
  package private(set) var retryAfterMilliseconds: Int64 = -1
  package private(set) var requestID: String?

  /// Of an event, or of an HTTP body that was scanned as one.
  package init(_ event: ScannedEvent, in text: UnsafeRawBufferPointer) {
    if event.error.isPresent {
      readError(event.error.bytes(in: text))
    } else if event.response.isPresent {
      readMembers(of: event.response.bytes(in: text)) { key, cursor throws(JSONError) in
        switch key {
        case "error":
          self = APIErrorFields()
          readError(try cursor.takeObject())
        default: _ = try cursor.takeMember()
        }
      }
    }
    if event.status != 0 { status = event.status }
    code = code ?? event.code.string(in: text)
    message = message ?? event.message.string(in: text)
    param = param ?? event.param.string(in: text)
    fill(from: ErrorHeaders(event.headers.bytes(in: text)))
  }

  /// Of an `error` member alone.
  init(error: UnsafeRawBufferPointer) {
    readError(error)
  }

  private init() {}

  private mutating func readError(_ error: UnsafeRawBufferPointer) {
    var cursor = JSONCursor(error)
    if let text = try? cursor.takeText() {
      message = text
      return
    }
    var plainStatus: Int64 = -1
    var statusCode: Int64 = -1
    var numericCode: Int64 = -1
    var headers = ErrorHeaders()
    readMembers(of: error) { key, cursor throws(JSONError) in
      switch key {
      case "status": plainStatus = try cursor.takeCount()
      case "status_code": statusCode = try cursor.takeCount()
      case "type": type = try cursor.takeText()
      case "code":
        let isNumber = try cursor.peekKind() == .number
        numericCode = isNumber ? try cursor.takeCount() : -1
        code = isNumber ? nil : try cursor.takeText()
      case "message": message = try cursor.takeText()
      case "param": param = try cursor.takeText()
      case "headers": headers = ErrorHeaders(try cursor.takeObject())
      default: _ = try cursor.takeMember()
      }
    }
    // Some gateways put the HTTP status into `code`, as a number.
    let httpCode = (400...599).contains(numericCode) ? numericCode : 0
    let told = plainStatus >= 0 ? plainStatus : statusCode >= 0 ? statusCode : httpCode
    status = Int32(exactly: told) ?? 0
    fill(from: headers)
  }

  private mutating func fill(from headers: ErrorHeaders) {
    if retryAfterMilliseconds < 0 { retryAfterMilliseconds = headers.retryAfterMilliseconds }
    requestID = requestID ?? headers.requestID
  }
}
