/// Why a text is no base URL. The text itself is not repeated: it may hold a credential.
package enum WebSocketURLError: Error, Equatable, Sendable {
  case missingScheme
  case unsupportedScheme(String)
  case userInfo
  case fragment
  case missingHost
  case invalidHost
  case invalidPort
  case invalidCharacter

  init(_ error: URLAuthorityError) {
    switch error {
    case .missingHost: self = .missingHost
    case .invalidHost: self = .invalidHost
    case .invalidPort: self = .invalidPort
    }
  }
}

extension WebSocketURLError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .missingScheme:
      "the URL has no scheme; it must begin with wss://, ws://, https:// or http://"
    case .unsupportedScheme(let scheme):
      "the URL's scheme '\(scheme)' is not supported; use wss, ws, https or http"
    case .userInfo: "the URL contains a user name or password; give credentials as options"
    case .fragment: "the URL contains a fragment (#), which RFC 6455 section 3 forbids"
    case .missingHost: "the URL has no host"
    case .invalidHost: "the URL's host is no DNS name, IPv4 address or IPv6 address in brackets"
    case .invalidPort: "the URL's port is not a number from 1 to 65535"
    case .invalidCharacter:
      "the URL contains a character that must be percent-encoded, or a malformed % escape"
    }
  }
}

/// Where to connect: a `ws` or `wss` URL (RFC 6455 §3); `http` and `https` mean the same places.
package struct WebSocketURL: Hashable, Sendable {
  package let isSecure: Bool
  /// A DNS name (in lower case) or an address; an IPv6 address without its brackets.
  package let host: String
  package let isIPv6: Bool
  package let port: Int
  /// Begins with a slash.
  package private(set) var path: String
  /// Without the question mark; nil if there is none.
  package let query: String?

  package init(_ text: String) throws(WebSocketURLError) {
    let bytes = Array(text.utf8)
    guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { throw .invalidCharacter }
    let schemeEnd = bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.count
    guard bytes[schemeEnd...].starts(with: "://".utf8) else { throw .missingScheme }
    let scheme = HTTPSyntax.lowercased(bytes[..<schemeEnd])
    switch scheme {
    case "ws", "http": isSecure = false
    case "wss", "https": isSecure = true
    default: throw .unsupportedScheme(scheme)
    }
    guard !bytes.contains(UInt8(ascii: "#")) else { throw .fragment }

    let rest = bytes[(schemeEnd + 3)...]
    let authority = rest.prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
    guard !authority.contains(UInt8(ascii: "@")) else { throw .userInfo }
    do throws(URLAuthorityError) {
      let place = try URLAuthority(authority)
      (host, isIPv6) = (place.host, place.isIPv6)
      port = place.port ?? (isSecure ? 443 : 80)
    } catch {
      throw WebSocketURLError(error)
    }

    let target = rest[authority.endIndex...]
    let path = target.prefix { $0 != UInt8(ascii: "?") }
    let query = target[path.endIndex...].dropFirst()
    guard Self.isPathOrQuery(path), Self.isPathOrQuery(query) else { throw .invalidCharacter }
    self.path = path.isEmpty ? "/" : String(decoding: path, as: UTF8.self)
    self.query =
      path.endIndex == target.endIndex ? nil : String(decoding: query, as: UTF8.self)
  }

  /// The same place with `segment` (without slashes around it) after the path and before the query.
  package func appendingPath(_ segment: String) -> WebSocketURL {
    var url = self
    url.path += (path.hasSuffix("/") ? "" : "/") + segment
    return url
  }

  /// The same scheme, host and port (RFC 6454 §5): what may be told to the one may be told to the other.
  package func hasSameOrigin(as other: WebSocketURL) -> Bool {
    isSecure == other.isSecure && host == other.host && port == other.port
  }

  /// What the request line asks for (RFC 9112 §3.2.1).
  package var target: String { query.map { "\(path)?\($0)" } ?? path }

  /// The value of the Host field: the port only if it is not the scheme's own (RFC 6455 §4.1).
  package var authority: String {
    guard port == (isSecure ? 443 : 80) else {
      return URLAuthority.text(host: host, isIPv6: isIPv6, port: port)
    }
    return isIPv6 ? "[\(host)]" : host
  }

  /// RFC 3986 §3.3, §3.4: pchar, slash and question mark.
  private static func isPathOrQuery(_ bytes: ArraySlice<UInt8>) -> Bool {
    var at = bytes.startIndex
    while at < bytes.endIndex {
      switch bytes[at] {
      case UInt8(ascii: "%"):
        guard bytes.endIndex - at > 2,
          HTTPSyntax.number(bytes[(at + 1)...(at + 2)], radix: 16) != nil
        else { return false }
        at += 3
      case UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\\"),
        UInt8(ascii: "^"), UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "|"),
        UInt8(ascii: "}"), UInt8(ascii: "["), UInt8(ascii: "]"):
        return false
      default: at += 1
      }
    }
    return true
  }
}
