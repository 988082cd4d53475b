import RWSJSON

/// What the library reads of a `response` object. Servers send sparse ones: anything may be absent.
package struct ResponseFields: Equatable, Sendable {
  /// As bytes, to be sent back unchanged.
  package private(set) var id: [UInt8]?
  package private(set) var status: String?
  package private(set) var model: String?
  package private(set) var errorCode: String?
  package private(set) var errorMessage: String?
  /// `incomplete_details.reason`
  package private(set) var incompleteReason: String?
  package private(set) var usage: Usage?
  /// JSON; nil: none.
  package private(set) var inputTransformations: [UInt8]?
  /// Where in the response its output lies.
  private var output = 0..<0

  package init(_ response: UnsafeRawBufferPointer) {
    readMembers(of: response) { key, cursor throws(JSONError) in
      switch key {
      case "id": id = try cursor.takeBytes()
      case "status": status = try cursor.takeText()
      case "model": model = try cursor.takeText()
      case "error": readError(try cursor.takeObject())
      case "incomplete_details": readDetails(try cursor.takeObject())
      case "usage": usage = Usage(try cursor.takeObject())
      case "input_transformations":
        let value = try cursor.takeMember()
        inputTransformations = value.kind == .null ? nil : Array(value.bytes(in: cursor.text))
      case "output":
        let value = try cursor.takeMember()
        output = value.start..<value.end
      default: _ = try cursor.takeMember()
      }
    }
  }

  /// The items of `response`, which these fields were read of.
  func output(in response: UnsafeRawBufferPointer) -> [JSONValue] {
    guard !output.isEmpty, output.upperBound <= response.count else { return [] }
    let value = try? JSONValue(parsing: UnsafeRawBufferPointer(rebasing: response[output]))
    return value?.elements ?? []
  }

  // Each of these clears first: a later duplicate replaces the whole object.

  private mutating func readError(_ error: UnsafeRawBufferPointer) {
    let fields = APIErrorFields(error: error)
    errorCode = fields.code
    errorMessage = fields.message
  }

  private mutating func readDetails(_ details: UnsafeRawBufferPointer) {
    incompleteReason = nil
    readMembers(of: details) { key, cursor throws(JSONError) in
      switch key {
      case "reason": incompleteReason = try cursor.takeText()
      default: _ = try cursor.takeMember()
      }
    }
  }
}
