import Testing

@testable import RWSWebSocket

@Suite struct WebSocketEndpointTests {
  @Test("messages of every length form make the round trip in both directions")
  func roundTrip() throws {
    var client = makeEndpoint(.client)
    var server = makeEndpoint(.server)
    for count in [0, 1, 7, 8, 125, 126, 127, 65_535, 65_536, 200_000] {
      let text = String(repeating: "é", count: count / 2)
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      try client.sendText(text)
      try client.sendBinary(bytes)
      try client.deliver(to: &server)
      #expect(server.receiveAll() == [.text(text), .binary(bytes)])
      try server.sendText(text)
      try server.sendBinary(bytes)
      try server.deliver(to: &client)
      #expect(client.receiveAll() == [.text(text), .binary(bytes)])
    }
  }
}
