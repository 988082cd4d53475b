/// The places that are reached without a proxy: `NO_PROXY` as curl reads it, and with ports.
///
/// Entries are separated by commas or blanks: `*` (everything), `example.com`, `.example.com` or
/// `*.example.com` (each the host itself and all below it), an address, a network (`10.0.0.0/8`,
/// `fd00::/8`). A name or address may end in `:port`, an IPv6 address then needs brackets. What cannot be
/// read matches nothing: a mistake leads through the proxy, never around it.
package struct NoProxyList: Sendable {
  private enum Pattern: Sendable {
    case everything
    /// In lower case, without dots at either end.
    case domain([UInt8])
    case network(IPAddress, bits: Int)
  }

  private struct Entry: Sendable {
    let text: String
    let pattern: Pattern
    let port: Int?
  }

  private let entries: [Entry]

  package init(_ text: String) {
    entries = text.utf8
      .split { $0 == UInt8(ascii: ",") || HTTPSyntax.isBlank($0) || $0 == 0x0A || $0 == 0x0D }
      .compactMap { Self.entry(Array($0)) }
  }

  /// The first entry that means this place, as it was written.
  package func entry(matching url: WebSocketURL) -> String? {
    let address = IPAddress(url.host.utf8)?.unmapped
    let name = Self.withoutFinalDot(Array(url.host.utf8)[...])
    return entries.first { entry in
      guard entry.port == nil || entry.port == url.port else { return false }
      switch entry.pattern {
      case .everything: return true
      case .network(let network, let bits):
        return address?.isWithin(network, bits: bits) ?? false
      case .domain(let domain):
        // A number is no part of a domain: `1.1` must not stand for 192.168.1.1.
        guard address == nil, name.suffix(domain.count) == domain[...] else { return false }
        let above = name.dropLast(domain.count)
        return above.isEmpty || above.last == UInt8(ascii: ".")
      }
    }?.text
  }

  private static func entry(_ text: [UInt8]) -> Entry? {
    func made(_ pattern: Pattern, _ port: Int? = nil) -> Entry {
      Entry(text: String(decoding: text, as: UTF8.self), pattern: pattern, port: port)
    }
    if text == [UInt8(ascii: "*")] { return made(.everything) }
    if let slash = text.firstIndex(of: UInt8(ascii: "/")) {
      guard let network = IPAddress(unbracketed(text[..<slash])),
        let bits = HTTPSyntax.number(text[(slash + 1)...]), bits <= network.bytes.count * 8
      else { return nil }
      return made(.network(network, bits: bits))
    }
    if let address = IPAddress(unbracketed(text[...])) { return made(host(address)) }

    var name = text[...]
    var port: Int?
    if let colon = text.lastIndex(of: UInt8(ascii: ":")) {
      guard let number = HTTPSyntax.number(text[(colon + 1)...]), (1...65535).contains(number)
      else { return nil }
      (name, port) = (text[..<colon], number)
    }
    if let address = IPAddress(unbracketed(name)) { return made(host(address), port) }
    if name.starts(with: "*.".utf8) { name = name.dropFirst() }
    if name.first == UInt8(ascii: ".") { name = name.dropFirst() }
    name = withoutFinalDot(name)
    guard !name.isEmpty else { return nil }
    return made(.domain(name.map(HTTPSyntax.lowercased)), port)
  }

  private static func host(_ address: IPAddress) -> Pattern {
    let address = address.unmapped
    return .network(address, bits: address.bytes.count * 8)
  }

  private static func unbracketed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    text.first == UInt8(ascii: "[") && text.last == UInt8(ascii: "]")
      ? text.dropFirst().dropLast() : text
  }

  private static func withoutFinalDot(_ name: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    name.last == UInt8(ascii: ".") ? name.dropLast() : name
  }
}
