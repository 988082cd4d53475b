/// An address out of its text (RFC 3986 §3.2.2), judged without the system's resolver.
package struct IPAddress: Hashable, Sendable {
  /// Four or sixteen, in network order.
  package let bytes: [UInt8]

  package var isIPv6: Bool { bytes.count == 16 }

  /// Dotted decimal or IPv6 (without brackets); nil for everything else, a name for instance.
  package init?(_ text: some Collection<UInt8>) {
    guard let bytes = Self.ipv4(text) ?? Self.ipv6(text) else { return nil }
    self.bytes = bytes
  }

  /// Four numbers up to 255, without leading zeros: octal to some resolvers, decimal to others.
  private static func ipv4(_ text: some Collection<UInt8>) -> [UInt8]? {
    let parts = Array(text).split(
      separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var bytes: [UInt8] = []
    for part in parts {
      guard let number = HTTPSyntax.number(part), let byte = UInt8(exactly: number),
        part.count == 1 || part.first != UInt8(ascii: "0")
      else { return nil }
      bytes.append(byte)
    }
    return bytes
  }

  /// Eight groups of one to four hexadecimal digits, one run of them perhaps as `::`, the last two perhaps
  /// as an IPv4 address. Zones (`%eth0`) are refused: they name an interface, not a place.
  static func ipv6(_ text: some Collection<UInt8>) -> [UInt8]? {
    let parts = Array(text).split(
      separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    guard parts.count > 2 else { return nil }
    var bytes: [UInt8] = []
    /// Where the `::` stands.
    var gap: Int?
    for (index, part) in parts.enumerated() {
      let isLast = index == parts.count - 1
      if part.isEmpty {
        // The empty parts of a leading `::` are 0 and 1, of a trailing one the last two, of `::` all three.
        if index == 0 {
          guard parts[1].isEmpty else { return nil }
        } else if isLast {
          guard parts[index - 1].isEmpty else { return nil }
        } else {
          guard gap == nil else { return nil }
          gap = bytes.count
        }
      } else if isLast, part.contains(UInt8(ascii: ".")) {
        guard let address = ipv4(part) else { return nil }
        bytes += address
      } else {
        guard part.count <= 4, let group = HTTPSyntax.number(part, radix: 16) else { return nil }
        bytes += [UInt8(truncatingIfNeeded: group >> 8), UInt8(truncatingIfNeeded: group)]
      }
    }
    guard let gap else { return bytes.count == 16 ? bytes : nil }
    guard bytes.count < 16 else { return nil }
    return bytes[..<gap] + [UInt8](repeating: 0, count: 16 - bytes.count) + bytes[gap...]
  }

  /// `::ffff:192.0.2.1` is the place 192.0.2.1 (RFC 4291 §2.5.5.2).
  var unmapped: IPAddress {
    let prefix: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
    return isIPv6 && bytes.starts(with: prefix) ? IPAddress(bytes: Array(bytes[12...])) : self
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  /// nil unless there are four or sixteen bytes.
  package init?(networkOrder bytes: [UInt8]) {
    guard bytes.count == 4 || bytes.count == 16 else { return nil }
    self.bytes = bytes
  }

  /// Whether the first `bits` bits are those of `network`. Families differ: false.
  func isWithin(_ network: IPAddress, bits: Int) -> Bool {
    guard bytes.count == network.bytes.count, 0...(bytes.count * 8) ~= bits else { return false }
    let whole = bits / 8
    guard bytes[..<whole] == network.bytes[..<whole] else { return false }
    let rest = bits % 8
    return rest == 0 || (bytes[whole] ^ network.bytes[whole]) >> (8 - rest) == 0
  }
}
