import Testing

@testable import RWSWebSocket

@Suite struct CloseCodeTests {
  @Test("RFC 6455 §7.4: exactly the registered, library and private codes may be on the wire")
  func allowedOnWire() {
    let allowed = Set<UInt16>([
      1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
    ])
    for value in UInt16.min...UInt16.max {
      let expected = allowed.contains(value) || (3000...4999).contains(value)
      guard CloseCode(rawValue: value).isAllowedOnWire == expected else {
        Issue.record("\(value)")
        return
      }
    }
  }

  @Test("a code names itself to people")
  func names() {
    #expect(CloseCode.messageTooBig.description == "1009 (message too big)")
    #expect(CloseCode(rawValue: 4001).description == "4001")
  }
}
