import RWSJSON

/// A `response.steer` as it came (SDK: `ResponseSteerEvent`).
struct SteerEvent {
  let previousResponseID: String
  let input: JSONValue
  /// What is wrong with it; the answer gives the input back.
  let fault: String?
  /// The messages; empty if something is wrong.
  let items: [Item]

  private static let fields: Set<String> = ["type", "previous_response_id", "input"]
  private static let messageFields: Set<String> = ["type", "role", "content"]
  private static let partTypes: Set<String> = ["input_text", "input_image", "input_file"]

  /// Throws where there is no input to give back, or nobody to say it of.
  init(_ fields: [String: JSONValue], lane: String?) throws(ClientEvent.Refusal) {
    guard let id = fields["previous_response_id"]?.string else {
      throw ClientEvent.Refusal(error: .missing("previous_response_id"), lane: lane)
    }
    guard let input = fields["input"], !input.isNull else {
      throw ClientEvent.Refusal(error: .missing("input"), lane: lane)
    }
    previousResponseID = id
    self.input = input
    if let extra = fields.keys.sorted().first(where: { !Self.fields.contains($0) }) {
      fault = "Unknown parameter: '\(extra)'. Steering takes only 'type', 'previous_response_id'"
        + " and 'input'; the target response determines the lane."
      items = []
      return
    }
    do throws(RequestError) {
      items = try Self.messages(input)
      fault = nil
    } catch {
      items = []
      fault = error.message
    }
  }

  private static func messages(_ input: JSONValue) throws(RequestError) -> [Item] {
    if let text = input.string {
      guard !text.isEmpty else { throw .invalid("The input must not be empty.", param: "input") }
      return [.userMessage(text)]
    }
    let elements = input.elements
    guard !elements.isEmpty else {
      throw .invalid(
        "The input must be a string or a non-empty array of user messages.", param: "input")
    }
    var items: [Item] = []
    for (index, element) in elements.enumerated() {
      let path = "input[\(index)]"
      let item = try Item.parse(element, path: path)
      let isMessage = element["type"].map { $0.string == "message" } ?? true
      guard isMessage, item.isUserMessage,
        element.members.allSatisfy({ messageFields.contains($0.key) }),
        (element["content"]?.elements ?? []).allSatisfy({
          partTypes.contains($0["type"]?.string ?? "")
        })
      else {
        throw .invalid(
          "\(path) must be a user message with only 'type', 'role' and 'content', and content made"
            + " of input_text, input_image and input_file.", param: path)
      }
      items.append(item)
    }
    return items
  }
}

/// An accepted steer: the server owns its input until a successor's `response.created`.
struct Steer {
  let id: String
  let event: SteerEvent
}

/// Codes of `response.steer.failed` (SDK: `ResponseSteerErrorCode`).
enum SteerFailure: String {
  case notFound = "response_not_found"
  case invalidInput = "invalid_input"
  case notSupported = "steering_not_supported"
  case tooMany = "too_many_pending_steers"
  case alreadyCompleted = "response_already_completed"
  case notActive = "response_not_active"
  case successorFailed = "successor_creation_failed"
}
