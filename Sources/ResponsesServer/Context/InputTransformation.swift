import RWSJSON

/// A reasoning item of the input that was withheld from the model (SDK: `Response.input_transformations`).
struct InputTransformation: Equatable, Sendable {
  enum Reason: String, Sendable {
    case organizationMismatch = "organization_mismatch"
    case endUserMismatch = "end_user_mismatch"
    case modelMismatch = "model_mismatch"
    case prefixMismatch = "prefix_mismatch"
    case turnBoundary = "turn_boundary"
  }

  let id: String
  let reason: Reason

  func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("id", id)
    writer.member("action", "removed")
    writer.member("reason", reason.rawValue)
    writer.member("type", "reasoning")
    writer.endObject()
  }
}
