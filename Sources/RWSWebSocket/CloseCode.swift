/// The status of a Close frame (RFC 6455 §7.4 and the IANA registry it founded).
package struct CloseCode: RawRepresentable, Hashable, Sendable {
  package let rawValue: UInt16

  package init(rawValue: UInt16) { self.rawValue = rawValue }

  package static let normal = CloseCode(rawValue: 1000)
  package static let goingAway = CloseCode(rawValue: 1001)
  package static let protocolError = CloseCode(rawValue: 1002)
  package static let unsupportedData = CloseCode(rawValue: 1003)
  package static let invalidPayload = CloseCode(rawValue: 1007)
  package static let policyViolation = CloseCode(rawValue: 1008)
  package static let messageTooBig = CloseCode(rawValue: 1009)
  package static let mandatoryExtension = CloseCode(rawValue: 1010)
  package static let internalError = CloseCode(rawValue: 1011)
  package static let serviceRestart = CloseCode(rawValue: 1012)
  package static let tryAgainLater = CloseCode(rawValue: 1013)
  package static let badGateway = CloseCode(rawValue: 1014)

  /// Said to the application when a Close frame carried no code; never on the wire.
  package static let noStatus = CloseCode(rawValue: 1005)
  /// Said to the application when the connection ended without a Close frame; never on the wire.
  package static let abnormal = CloseCode(rawValue: 1006)

  /// Whether a Close frame may carry this code (§7.4.1, §7.4.2). 1004–1006 and 1015 are reserved,
  /// 1016–2999 are unassigned, and codes outside 1000–4999 are not defined.
  package var isAllowedOnWire: Bool {
    switch rawValue {
    case 1000...1003, 1007...1014, 3000...4999: true
    default: false
    }
  }

  /// The registry's name, for messages to people; nil for codes without one.
  package var name: String? {
    switch rawValue {
    case 1000: "normal closure"
    case 1001: "going away"
    case 1002: "protocol error"
    case 1003: "unsupported data"
    case 1005: "no status received"
    case 1006: "abnormal closure"
    case 1007: "invalid payload data"
    case 1008: "policy violation"
    case 1009: "message too big"
    case 1010: "mandatory extension"
    case 1011: "internal error"
    case 1012: "service restart"
    case 1013: "try again later"
    case 1014: "bad gateway"
    case 1015: "TLS handshake failed"
    default: nil
    }
  }
}

extension CloseCode: CustomStringConvertible {
  package var description: String {
    if let name { "\(rawValue) (\(name))" } else { "\(rawValue)" }
  }
}
