import Testing

@testable import ResponsesServer

/// What a link tells of the times that are its own and the server's.
@Suite struct ExchangeTests {
  @Test("an exchange goes from the request's last byte to the answer's, and ends when the client asks again")
  func askedAndAnswered() {
    var exchange = Exchange()
    #expect(!exchange.isBegun)
    #expect(exchange.note(received: 10, at: 1, sent: 0, at: 0) == nil)
    #expect(exchange.note(received: 30, at: 2, sent: 0, at: 0) == nil)
    #expect(exchange.note(received: 30, at: 2, sent: 5, at: 7) == nil)
    #expect(exchange.note(received: 30, at: 2, sent: 9, at: 8) == nil)
    let ended = exchange.note(received: 31, at: 11, sent: 9, at: 8)
    #expect(ended?.askedFrom == 1)
    #expect(ended?.askedAt == 2)
    #expect(ended?.answeredAt == 8)
    #expect(ended?.bytesUp == 30)
    #expect(ended?.bytesDown == 9)
    #expect(exchange.askedFrom == 11)
    #expect(exchange.askedAt == 11)
    #expect(exchange.answeredAt == 0)
    #expect(exchange.bytesUp == 1)
    #expect(exchange.bytesDown == 0)
  }

  @Test("a call at which nothing was carried changes nothing")
  func nothingCarried() {
    var exchange = Exchange()
    _ = exchange.note(received: 3, at: 1, sent: 4, at: 2)
    let before = exchange
    #expect(exchange.note(received: 3, at: 1, sent: 4, at: 2) == nil)
    #expect(exchange == before)
  }
}
