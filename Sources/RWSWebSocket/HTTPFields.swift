/// The header fields of an HTTP head, in order. Names are compared without regard to case (RFC 9110 §5.1).
package struct HTTPFields: Equatable, Sendable {
  package struct Field: Equatable, Sendable {
    package let name: String
    package let value: String
  }

  package private(set) var all: [Field] = []

  package init() {}

  package init(_ pairs: KeyValuePairs<String, String>) {
    for (name, value) in pairs { append(name, value) }
  }

  package mutating func append(_ name: String, _ value: String) {
    all.append(Field(name: name, value: value))
  }

  package mutating func append(contentsOf other: HTTPFields) {
    all.append(contentsOf: other.all)
  }

  /// The first field of that name.
  package subscript(_ name: String) -> String? {
    all.first { HTTPSyntax.equalsIgnoringCase($0.name, name) }?.value
  }

  package func values(_ name: String) -> [String] {
    all.filter { HTTPSyntax.equalsIgnoringCase($0.name, name) }.map(\.value)
  }

  package func contains(_ name: String) -> Bool { self[name] != nil }

  /// The members of a comma-separated list, over all fields of that name (RFC 9110 §5.6.1).
  package func list(_ name: String) -> [String] {
    values(name).flatMap { value in
      value.utf8.split(separator: UInt8(ascii: ",")).compactMap { member in
        let trimmed = HTTPSyntax.trimmingBlanks(member)
        return trimmed.isEmpty ? nil : String(Substring(trimmed))
      }
    }
  }

  package func list(_ name: String, contains token: String) -> Bool {
    list(name).contains { HTTPSyntax.equalsIgnoringCase($0, token) }
  }

  /// What would break the head if it were written: found before anything is sent.
  func validate() throws(HTTPFieldError) {
    for field in all {
      guard HTTPSyntax.isToken(field.name.utf8) else { throw .invalidName(field.name) }
      guard HTTPSyntax.isFieldValue(field.value.utf8) else {
        throw .invalidValue(name: field.name)
      }
    }
  }
}

/// A field given by the caller that must not be written. Values are not repeated: they may be credentials.
package enum HTTPFieldError: Error, Equatable, Sendable {
  case invalidName(String)
  case invalidValue(name: String)
}

extension HTTPFieldError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .invalidName(let name):
      "'\(name)' is no header name: only letters, digits and !#$%&'*+-.^_`|~ are allowed"
    case .invalidValue(let name):
      "the value of the header '\(name)' contains a line break, NUL or another control character"
    }
  }
}
