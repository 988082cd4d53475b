/// Why a text names no proxy. The text itself is not repeated: it may hold a password.
package enum ProxyURLError: Error, Equatable, Sendable {
  case unsupportedScheme(String)
  case missingHost
  case invalidHost
  case invalidPort
  case unexpectedPart
  case invalidCharacter
  case invalidCredentials
  /// RFC 7617 §2: the first colon ends the user name.
  case colonInUser
  /// RFC 1929 §2: the lengths are single bytes.
  case credentialsTooLong
}

extension ProxyURLError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unsupportedScheme("socks"), .unsupportedScheme("socks4"), .unsupportedScheme("socks4a"):
      "SOCKS4 (which socks:// means to curl) is not supported; use socks5:// or socks5h://"
    case .unsupportedScheme(let scheme):
      "the scheme '\(scheme)' is not supported; use http, https, socks5 or socks5h"
    case .missingHost: "there is no host name"
    case .invalidHost: "the host is no DNS name, IPv4 address or IPv6 address in brackets"
    case .invalidPort: "the port is not a number from 1 to 65535"
    case .unexpectedPart:
      "there is a path, query or fragment after host and port; write special characters of a user name "
        + "or password percent-encoded"
    case .invalidCharacter: "there is a blank, a control character or one beyond ASCII in it"
    case .invalidCredentials:
      "user name or password contain a malformed % escape or a control character"
    case .colonInUser: "the user name contains a colon, which HTTP cannot carry"
    case .credentialsTooLong: "user name or password are longer than 255 bytes, SOCKS5's limit"
    }
  }
}

package struct ProxyCredentials: Hashable, Sendable {
  /// Percent-decoded; any bytes but control characters.
  package let user: [UInt8]
  package let password: [UInt8]

  /// The value of a Proxy-Authorization field (RFC 7617 §2).
  var basic: String { "Basic " + basicToken }

  /// The part of it that is the secret.
  package var basicToken: String { Base64.encode(user + [UInt8(ascii: ":")] + password) }
}

/// A proxy as curl's users name it: `[scheme://][user[:password]@]host[:port]`.
package struct ProxyURL: Hashable, Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    case http, https
    /// Names are resolved here, and the proxy gets an address.
    case socks5
    /// The proxy resolves names.
    case socks5h
  }

  package let kind: Kind
  /// A DNS name (in lower case) or an address; an IPv6 address without its brackets.
  package let host: String
  package let port: Int
  package let credentials: ProxyCredentials?
  private let isIPv6: Bool

  package init(_ text: String) throws(ProxyURLError) {
    let bytes = HTTPSyntax.trimmingBlanks(Array(text.utf8))
    guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { throw .invalidCharacter }
    let (kind, rest) = try Self.splitScheme(bytes)
    self.kind = kind

    let place = rest.prefix { byte in !"/?#".utf8.contains(byte) }
    // A slash at the end is common. More than it may be the tail of a password with a slash in it, whose
    // head must not be taken for a host.
    let tail = rest[place.endIndex...]
    guard tail.isEmpty || tail.elementsEqual("/".utf8) else { throw .unexpectedPart }
    let at = place.lastIndex(of: UInt8(ascii: "@"))
    credentials = try at.map { at throws(ProxyURLError) in
      try Self.credentials(place[..<at], for: kind)
    }
    do throws(URLAuthorityError) {
      let authority = try URLAuthority(at.map { place[($0 + 1)...] } ?? place)
      (host, isIPv6) = (authority.host, authority.isIPv6)
      port = authority.port ?? kind.defaultPort
    } catch {
      switch error {
      case .missingHost: throw .missingHost
      case .invalidHost: throw .invalidHost
      case .invalidPort: throw .invalidPort
      }
    }
  }

  /// What does not begin with a scheme is an HTTP proxy.
  private static func splitScheme(
    _ bytes: ArraySlice<UInt8>
  ) throws(ProxyURLError) -> (Kind, ArraySlice<UInt8>) {
    let name = bytes.prefix { $0 != UInt8(ascii: ":") }
    guard bytes[name.endIndex...].starts(with: "://".utf8) else { return (.http, bytes) }
    let scheme = HTTPSyntax.lowercased(name)
    guard let kind = Kind(rawValue: scheme) else {
      // Only what looks like a scheme is repeated: a password may stand there.
      throw .unsupportedScheme(
        scheme.utf8.count <= 16 && scheme.utf8.allSatisfy(HTTPSyntax.isTokenByte) ? scheme : "?")
    }
    return (kind, bytes[(name.endIndex + 3)...])
  }

  private static func credentials(
    _ bytes: ArraySlice<UInt8>, for kind: Kind
  ) throws(ProxyURLError) -> ProxyCredentials {
    let user = bytes.prefix { $0 != UInt8(ascii: ":") }
    let decoded = ProxyCredentials(
      user: try percentDecoded(user),
      password: try percentDecoded(bytes[user.endIndex...].dropFirst()))
    switch kind {
    case .http, .https:
      guard !decoded.user.contains(UInt8(ascii: ":")) else { throw .colonInUser }
    case .socks5, .socks5h:
      guard decoded.user.count <= 255, decoded.password.count <= 255 else {
        throw .credentialsTooLong
      }
    }
    return decoded
  }

  private static func percentDecoded(
    _ bytes: ArraySlice<UInt8>
  ) throws(ProxyURLError) -> [UInt8] {
    var decoded: [UInt8] = []
    var rest = bytes
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        decoded.append(byte)
        continue
      }
      guard rest.count >= 2, let value = HTTPSyntax.number(rest.prefix(2), radix: 16),
        value >= 0x20, value != 0x7F
      else { throw .invalidCredentials }
      decoded.append(UInt8(truncatingIfNeeded: value))
      rest = rest.dropFirst(2)
    }
    return decoded
  }

  /// Host and port, for messages.
  package var endpoint: String { URLAuthority.text(host: host, isIPv6: isIPv6, port: port) }
}

extension ProxyURL.Kind {
  /// curl's (CURLOPT_PROXYPORT): not the schemes' own.
  var defaultPort: Int {
    switch self {
    case .https: 443
    case .http, .socks5, .socks5h: 1080
    }
  }
}

/// Without credentials, whichever way it is printed.
extension ProxyURL: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { "\(kind.rawValue)://\(endpoint)" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: []) }
}

extension ProxyCredentials: CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  package var description: String { "(credentials)" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
