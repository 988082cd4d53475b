/// Why a request is refused: an HTTP status, and the fields of the API's error object.
package struct RequestError: Error, Equatable, Sendable {
  package var status: Int
  package var type: String
  package var code: String?
  package var message: String
  package var param: String?
  /// What HTTP sends as header fields, and an error frame in its `headers`.
  package var headers: [Header] = []
  package var misalignment: Misalignment?
  /// Over HTTP its message is all that is said of it, as `{"detail":…}`.
  var isDetailOnly = false

  package struct Header: Equatable, Sendable {
    package var name: String
    package var value: String
  }

  package init(status: Int, type: String, code: String?, message: String, param: String?) {
    self.status = status
    self.type = type
    self.code = code
    self.message = message
    self.param = param
  }

  /// The caller's error.
  static func invalid(
    _ message: String, code: String? = nil, param: String? = nil, status: Int = 400
  ) -> RequestError {
    RequestError(
      status: status, type: "invalid_request_error", code: code, message: message, param: param)
  }

  static func wrongType(_ param: String, expected: String, got: String) -> RequestError {
    invalid(
      "Invalid type for '\(param)': expected \(expected), but got \(got) instead.",
      code: "invalid_type", param: param)
  }

  static func unknownParameter(_ param: String) -> RequestError {
    invalid("Unknown parameter: '\(param)'.", code: "unknown_parameter", param: param)
  }

  static func missing(_ param: String) -> RequestError {
    invalid(
      "Missing required parameter: '\(param)'.", code: "missing_required_parameter", param: param)
  }

  static func previousResponseNotFound(_ id: String) -> RequestError {
    invalid(
      "Previous response with id '\(id)' not found.", code: "previous_response_not_found",
      param: "previous_response_id")
  }

  static func responseNotFound(_ id: String) -> RequestError {
    invalid("Response with id '\(id)' not found.", status: 404)
  }

  /// `what` only a response in the background can.
  static func isNotInBackground(_ what: String) -> RequestError {
    invalid("Only a response that was created with background=true can \(what) by its id.")
  }

  static func connectionLimitReached(seconds: Int64) -> RequestError {
    invalid(
      "Responses websocket connection limit reached (\(seconds) seconds). Create a new websocket"
        + " connection to continue.", code: "websocket_connection_limit_reached")
  }

  static func itemNotFound(_ id: String, store: Bool) -> RequestError {
    let reason =
      store
      ? ""
      : " Items are not persisted when `store` is set to false. Try again with `store` set to"
        + " true, or remove this item from your input."
    return invalid("Item with id '\(id)' not found.\(reason)", param: "input", status: 404)
  }
}
