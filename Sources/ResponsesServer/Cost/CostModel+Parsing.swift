import RWSJSON

/// What is wrong with a file of costs: a sentence.
struct CostModelError: Error {
  let message: String
}

extension CostModel {
  /// A JSON object of numbers; what is left out is zero, and `slowness` one. `note` is for readers.
  init(parsing text: [UInt8]) throws(CostModelError) {
    self.init()
    let value: JSONValue
    do {
      value = try JSONValue(parsing: text)
    } catch {
      throw CostModelError(message: "This is no JSON: \(error).")
    }
    guard value.kind == .object else {
      throw CostModelError(message: "The costs must be a JSON object.")
    }
    for member in value.members where member.key != "note" {
      guard let number = member.value.double, (0...1e12).contains(number) else {
        throw CostModelError(message: "'\(member.key)' must be a number that is not negative.")
      }
      switch member.key {
      case "request_ns": requestNanoseconds = number
      case "byte_ns": byteNanoseconds = number
      case "item_ns": itemNanoseconds = number
      case "token_ns": tokenNanoseconds = number
      case "prefill_token_ns": prefillTokenNanoseconds = number
      case "slowness": slowness = number
      case "workers": workers = Int(min(number, 65_536))
      default: throw CostModelError(message: "'\(member.key)' is no cost.")
      }
    }
  }
}
