import RWSJSON

/// Why a response failed after it began (SDK: `ResponseError`).
package struct ResponseFailure: Equatable, Sendable {
  package let code: String
  package let message: String
  package let misalignment: Misalignment?

  package init(code: String, message: String, misalignment: Misalignment? = nil) {
    self.code = code
    self.message = message
    self.misalignment = misalignment
  }

  /// What `MISALIGNED` asks for.
  static let misaligned = ResponseFailure(
    code: Misalignment.code, message: "The response was blocked, as the input asked (MISALIGNED).",
    misalignment: .example)

  func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("code", code)
    writer.member("message", message)
    misalignment?.writeMember(to: &writer)
    writer.endObject()
  }
}

/// What comes with `misalignment_policy_violation`: an object, as JSON.
package struct Misalignment: Equatable, Sendable {
  static let code = "misalignment_policy_violation"

  package let json: [UInt8]

  static let example = Misalignment(
    json: Array(
      """
      {"detailed_explanation":"The input asked to be blocked.",\
      "error_type":"potentially_unintended_data_transfer","review_target":null,\
      "steer":{"message":"Ask for something else."}}
      """.utf8))

  func writeMember(to writer: inout JSONWriter) { writer.member("misalignment", raw: json) }
}
