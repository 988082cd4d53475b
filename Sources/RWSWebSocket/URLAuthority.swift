enum URLAuthorityError: Error, Equatable {
  case missingHost, invalidHost, invalidPort
}

/// Host and port of a URL (RFC 3986 §3.2), without user information.
struct URLAuthority {
  /// A DNS name (in lower case) or an address; an IPv6 address without its brackets.
  let host: String
  let isIPv6: Bool
  let port: Int?

  init(_ text: ArraySlice<UInt8>) throws(URLAuthorityError) {
    guard let first = text.first else { throw .missingHost }
    isIPv6 = first == UInt8(ascii: "[")
    let name: ArraySlice<UInt8>
    var rest: ArraySlice<UInt8>
    if isIPv6 {
      guard let close = text.firstIndex(of: UInt8(ascii: "]")) else { throw .invalidHost }
      name = text[..<close].dropFirst()
      rest = text[(close + 1)...]
      guard IPAddress.ipv6(name) != nil else { throw .invalidHost }
    } else {
      name = text.prefix { $0 != UInt8(ascii: ":") }
      rest = text[name.endIndex...]
      guard !name.isEmpty else { throw .missingHost }
      guard Self.isRegisteredName(name) else { throw .invalidHost }
    }
    host = HTTPSyntax.lowercased(name)
    guard let colon = rest.first else {
      port = nil
      return
    }
    guard colon == UInt8(ascii: ":") else { throw .invalidHost }
    rest = rest.dropFirst()
    guard let number = HTTPSyntax.number(rest), (1...65535).contains(number) else {
      throw .invalidPort
    }
    port = number
  }

  /// `[::1]:443`: brackets where a colon would be read as the port's.
  static func text(host: String, isIPv6: Bool, port: Int) -> String {
    isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)"
  }

  /// Letters, digits, hyphens, underscores and dots: what DNS and resolvers know. Other names must be given
  /// in their ASCII (xn--) form.
  private static func isRegisteredName(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard bytes.count <= 253 else { return false }
    let labels = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    let named = labels.last?.isEmpty == true ? labels.dropLast() : labels[...]
    return !named.isEmpty
      && named.allSatisfy { label in
        !label.isEmpty && label.count <= 63
          && label.allSatisfy { byte in
            switch HTTPSyntax.lowercased(byte) {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
              UInt8(ascii: "-"), UInt8(ascii: "_"):
              true
            default: false
            }
          }
      }
  }
}
