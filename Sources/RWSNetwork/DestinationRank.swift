/// How promising a destination is by RFC 6724 §6, rules 1, 2, 5 and 6: the ones that decide between addresses of
/// different families. (Within a family the resolver has sorted already; its own configuration for the order of
/// families, gai.conf, is not consulted, for each family is looked up by itself.)
///
/// What it saves: a container with a private IPv6 address and no way out would dial dead addresses first.
struct DestinationRank: Comparable {
  private let isReachable: Bool
  private let hasMatchingScope: Bool
  private let hasMatchingLabel: Bool
  private let precedence: Int

  /// IPv6 addresses in 16 bytes, IPv4 ones mapped (`::ffff:a.b.c.d`); `source` is where the system would send
  /// from, nil if it has no way there.
  init(destination: [UInt8], source: [UInt8]?) {
    let policy = Self.policy(destination)
    isReachable = source != nil
    hasMatchingScope = source.map { Self.scope($0) == Self.scope(destination) } ?? false
    hasMatchingLabel = source.map { Self.policy($0).label == policy.label } ?? false
    precedence = policy.precedence
  }

  static func < (left: Self, right: Self) -> Bool {
    left.order.lexicographicallyPrecedes(right.order)
  }

  private var order: [Int] {
    [isReachable ? 1 : 0, hasMatchingScope ? 1 : 0, hasMatchingLabel ? 1 : 0, precedence]
  }

  /// RFC 6724 §2.1, longest prefix first.
  private static func policy(_ address: [UInt8]) -> (precedence: Int, label: Int) {
    for entry in policies where has(address, entry.prefix, bits: entry.bits) {
      return (entry.precedence, entry.label)
    }
    return (40, 1)
  }

  private static let mapped = [UInt8](repeating: 0, count: 10) + [0xff, 0xff]
  private static let loopback = [UInt8](repeating: 0, count: 15) + [1]
  private static let policies:
    [(prefix: [UInt8], bits: Int, precedence: Int, label: Int)] = [
      (loopback, 128, 50, 0),
      (mapped, 96, 35, 4),
      ([UInt8](repeating: 0, count: 12), 96, 1, 3),
      ([0x20, 0x01, 0, 0], 32, 5, 5),
      ([0x20, 0x02], 16, 30, 2),
      ([0x3f, 0xfe], 16, 1, 12),
      ([0xfe, 0xc0], 10, 1, 11),
      ([0xfc], 7, 3, 13),
    ]

  private enum Scope { case linkLocal, siteLocal, global }

  /// RFC 6724 §3.1 and §3.2: loopback and autoconfigured addresses are link-local, private IPv4 ones global.
  private static func scope(_ address: [UInt8]) -> Scope {
    if has(address, mapped, bits: 96) {
      let isLinkLocal =
        has(address, mapped + [127], bits: 104) || has(address, mapped + [169, 254], bits: 112)
      return isLinkLocal ? .linkLocal : .global
    }
    if has(address, loopback, bits: 128) || has(address, [0xfe, 0x80], bits: 10) {
      return .linkLocal
    }
    return has(address, [0xfe, 0xc0], bits: 10) ? .siteLocal : .global
  }

  private static func has(_ address: [UInt8], _ prefix: [UInt8], bits: Int) -> Bool {
    let whole = bits / 8
    guard address.prefix(whole).elementsEqual(prefix.prefix(whole)) else { return false }
    let rest = bits % 8
    guard rest > 0 else { return address.count >= whole }
    guard address.count > whole, prefix.count > whole else { return false }
    return (address[whole] ^ prefix[whole]) >> (8 - rest) == 0
  }
}
