/// Textual addresses (RFC 3986 §3.2.2), judged without the system's resolver.
enum IPAddressText {
  /// Eight groups of one to four hexadecimal digits, one run of them perhaps as `::`, the last two perhaps
  /// as an IPv4 address. Zones (`%eth0`) are refused: they name an interface, not a place.
  static func isIPv6(_ bytes: some Collection<UInt8>) -> Bool {
    let parts = Array(bytes).split(
      separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    var groups = 0
    var gaps = 0
    for (index, part) in parts.enumerated() {
      let isLast = index == parts.count - 1
      if part.isEmpty {
        // The empty parts of a leading `::` are 0 and 1, of a trailing one the last two, of `::` all three.
        if index == 0 {
          guard parts.count > 1, parts[1].isEmpty else { return false }
        } else if isLast {
          guard parts[index - 1].isEmpty else { return false }
        } else {
          gaps += 1
        }
      } else if isLast, part.contains(UInt8(ascii: ".")) {
        guard isIPv4(part) else { return false }
        groups += 2
      } else {
        guard part.count <= 4, HTTPSyntax.number(part, radix: 16) != nil else { return false }
        groups += 1
      }
    }
    return parts.count > 2 && (gaps == 0 ? groups == 8 : gaps == 1 && groups < 8)
  }

  static func isIPv4(_ bytes: some Collection<UInt8>) -> Bool {
    let parts = Array(bytes).split(
      separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return parts.count == 4
      && parts.allSatisfy { part in
        guard let number = HTTPSyntax.number(part) else { return false }
        return number <= 255 && part.count <= 3
          && (part.count == 1 || part.first != UInt8(ascii: "0"))
      }
  }
}
