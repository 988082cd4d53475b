import RWSJSON

/// What the values of settings must be, besides their kind. An answer repeats them, and clients are strict.
enum SettingCheck {
  static func run(_ request: ResponseRequest) throws(RequestError) {
    for (key, range) in ranges {
      guard let number = request[key]?.double, !range.contains(number) else { continue }
      throw .invalid(
        "Invalid '\(key)': expected a value from \(plain(range.lowerBound)) to"
          + " \(plain(range.upperBound)), but got \(text(request[key])) instead.",
        code: number < range.lowerBound ? "integer_below_min_value" : "integer_above_max_value",
        param: key)
    }
    for (key, least) in minima {
      guard let value = request[key] else { continue }
      guard let number = value.int else {
        throw .wrongType(key, expected: "an integer", got: "a decimal number")
      }
      guard number < least else { continue }
      throw .invalid(
        "Invalid '\(key)': integer below minimum value. Expected a value >= \(least), but got"
          + " \(number) instead.", code: "integer_below_min_value", param: key)
    }
    for (path, values) in choices {
      var value = request[path[0]]
      for key in path.dropFirst() { value = value?[key] }
      guard let value, !value.isNull else { continue }
      try check(value, path.joined(separator: "."), values)
    }
    if let choice = request["tool_choice"], choice.kind == .string {
      try check(choice, "tool_choice", ["none", "auto", "required"])
    }
    try request.checkToolChoice()
    try checkMetadata(request["metadata"])
    try checkFormat(request["text"]?["format"])
  }

  private static let ranges: KeyValuePairs<String, ClosedRange<Double>> = [
    "temperature": 0...2, "top_p": 0...1, "top_logprobs": 0...20,
  ]

  private static let minima: KeyValuePairs<String, Int64> = [
    "max_output_tokens": 16, "max_tool_calls": 1,
  ]

  private static let choices: KeyValuePairs<[String], [String]> = [
    ["truncation"]: ["auto", "disabled"],
    ["service_tier"]: ["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"],
    ["prompt_cache_retention"]: ["in_memory", "24h"],
    ["reasoning", "effort"]: ["none", "minimal", "low", "medium", "high", "xhigh", "max"],
    ["reasoning", "summary"]: ["auto", "concise", "detailed"],
    ["text", "verbosity"]: ["low", "medium", "high"],
    ["text", "format", "type"]: ["text", "json_schema", "json_object"],
  ]

  private static func check(
    _ value: JSONValue, _ path: String, _ values: [String]
  ) throws(RequestError) {
    guard let string = value.string else {
      throw .wrongType(path, expected: "one of \(spoken(values))", got: value.spokenKind)
    }
    guard values.contains(string) else {
      throw .invalid(
        "Invalid value: '\(string)'. Supported values are: \(spoken(values)).",
        code: "invalid_value", param: path)
    }
  }

  private static func spoken(_ values: [String]) -> String {
    let quoted = values.map { "'\($0)'" }
    guard let last = quoted.last, quoted.count > 1 else { return quoted.first ?? "" }
    return quoted.dropLast().joined(separator: ", ") + (quoted.count > 2 ? "," : "") + " and " + last
  }

  static func checkMetadata(_ metadata: JSONValue?) throws(RequestError) {
    let members = metadata?.members ?? []
    guard members.count <= 16 else {
      throw .invalid(
        "Invalid 'metadata': too many properties. Expected an object with at most 16 properties,"
          + " but got an object with \(members.count) properties instead.",
        code: "object_above_max_properties", param: "metadata")
    }
    for member in members where member.value.kind != .string {
      throw .wrongType("metadata.\(member.key)", expected: "a string", got: member.value.spokenKind)
    }
  }

  private static func checkFormat(_ format: JSONValue?) throws(RequestError) {
    guard let format, format["type"]?.string == "json_schema" else { return }
    if format["name"]?.string == nil { throw .missing("text.format.name") }
    if format["schema"]?.kind != .object { throw .missing("text.format.schema") }
  }

  private static func plain(_ bound: Double) -> String { String(Int(bound)) }

  private static func text(_ value: JSONValue?) -> String {
    value.map { String(decoding: $0.bytes, as: UTF8.self) } ?? ""
  }
}
