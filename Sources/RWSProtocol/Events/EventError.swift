import RWSJSON

/// Why a text frame is no event.
package enum EventError: Error, Equatable, Sendable {
  case malformed(JSONError)
  case notAnObject
  /// Longer than `EventScanner.lengthLimit`.
  case tooLarge
}

extension EventError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .malformed(let error): "\(error)"
    case .notAnObject: "the message is not a JSON object"
    case .tooLarge: "the message is larger than \(EventScanner.lengthLimit) bytes"
    }
  }
}
